//! Which machine and which person this is.

use crate::release::{BootId, Clean};

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

/// The login name of the user who runs this process, or `uid-1000` where it has none.
pub fn user_name() -> String {
    let uid = rustix::process::geteuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_of(uid, &users).unwrap_or_else(|| format!("uid-{uid}"))
}

fn name_of(uid: u32, users: &str) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, number) = (fields.next()?, fields.next()?, fields.next()?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_the_name_that_the_system_knows() {
        let users = "root:x:0:0:root:/root:/bin/sh\nmira:x:1000:1000::/home/mira:/bin/sh\n";
        assert_eq!(name_of(1000, users), Some("mira".to_owned()));
        assert_eq!(name_of(1001, users), None);
        assert_eq!(name_of(0, "broken\n"), None);
    }
}
