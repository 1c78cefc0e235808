//! Which machine and which person this is.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};

use crate::release::{BootId, Clean, Person};

/// The machine's name.
pub fn host() -> Clean {
    Clean::from_bytes(rustix::system::uname().nodename().to_bytes())
}

/// This process.
pub fn own_pid() -> u32 {
    std::process::id()
}

/// The running boot; empty where the system does not tell.
pub fn boot_id() -> BootId {
    let read = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    read.map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// The user as whom this process acts.
pub fn user_id() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The login name of the user as whom this process acts; see [`person_of`].
pub fn user_name() -> Person {
    person_of(user_id())
}

/// The login name of a user of this machine, or `uid-1000` where it has none, or one outside the
/// grammar of a person.
pub fn person_of(uid: u32) -> Person {
    // Accounts are few: without a directory service all of them stand in this one small file.
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    login_name(uid, &users)
}

/// [`person_of`], by an account list as `/etc/passwd` spells it.
fn login_name(uid: u32, users: &str) -> Person {
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, number) = (fields.next()?, fields.next()?, fields.next()?);
        (number.parse() == Ok(uid)).then_some(name)
    });
    let number = || Person::new(format!("uid-{uid}")).expect("letters, a dash and digits");
    name.and_then(|name| Person::new(name).ok()).unwrap_or_else(number)
}

/// The terminal that standard output goes to, opened once more, so that it refuses what it cannot
/// take now. To set that on standard output itself would set it for everybody who shares it, the
/// shell among them. None where the terminal has no name, or is another user's.
pub fn terminal_at_once() -> Option<OwnedFd> {
    let name = rustix::termios::ttyname(std::io::stdout(), Vec::new()).ok()?;
    let how = OFlags::WRONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open(name, how, Mode::empty()).ok()
}

/// Columns of the terminal that standard output goes to; none where it goes elsewhere.
pub fn terminal_columns() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t20_a_user_has_the_name_that_the_system_knows() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\n\nx:y\n\
            mira:x:1000:1000:Mira,,,:/home/mira:/bin/sh\nlate:x:1000:1000::/:/bin/sh\n\
            a b:x:1002:1002::/:/bin/sh\n";
        assert_eq!(login_name(1000, users).as_str(), "mira");
        assert_eq!(login_name(0, users).as_str(), "root");
        assert_eq!(login_name(1001, users).as_str(), "uid-1001");
        assert_eq!(login_name(1002, users).as_str(), "uid-1002");
    }
}
