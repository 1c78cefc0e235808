//! What can go wrong between us and a cluster, told apart by what the operator should do.

use kube::core::Status;

use crate::release::Clean;

/// The longest foreign message that is kept, in characters.
const MESSAGE_CHARS_MAX: usize = 400;

/// Why something asked of the cluster did not happen. Displays complete "failed to …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// The kubeconfig cannot be used.
    #[error("use the kubeconfig: {reason}")]
    Config { reason: Clean },
    /// The credential plugin gave no credential (F40).
    #[error(
        "log in to the cluster: {reason}; log in in another terminal (for Azure: `az login`, \
         `kubelogin convert-kubeconfig`), then try again"
    )]
    Login { reason: Clean },
    /// No answer, or one that does not say whether the request was carried out (F31, F37).
    #[error("{what}: the cluster cannot be reached ({reason})")]
    Unreachable { what: Clean, reason: Clean },
    /// 401 or 403 (F38).
    #[error("{what}: not allowed ({reason}); ask whoever grants rights in this cluster")]
    Forbidden { what: Clean, reason: Clean },
    /// 404.
    #[error("{what}: not found ({reason})")]
    NotFound { what: Clean, reason: Clean },
    /// 409, or a guard of ours that no longer held: someone else changed the object (F32).
    #[error("{what}: changed by someone else ({reason})")]
    Conflict { what: Clean, reason: Clean },
    /// 429 that outlasted our patience (F36).
    #[error("{what}: the cluster asks us to slow down ({reason})")]
    Busy { what: Clean, reason: Clean },
    /// The server understood and said no: 400, 405, 413, 415, 422.
    #[error("{what}: the cluster refuses it ({reason})")]
    Invalid { what: Clean, reason: Clean },
    /// We did not even ask, because a rule of ours forbids it (I5, I7, I8).
    #[error("{what}: refused ({reason})")]
    Refused { what: Clean, reason: Clean },
    /// Pods did not become ready in time.
    #[error("{what}: not ready ({reason})")]
    NotReady { what: Clean, reason: Clean },
    /// An answer that is not what the API promises.
    #[error("{what}: the answer cannot be read ({reason})")]
    Unreadable { what: Clean, reason: Clean },
}

impl ClusterError {
    pub(super) fn refused(what: &str, reason: &str) -> Self {
        Self::Refused { what: Clean::new(what), reason: message(reason) }
    }

    pub(super) fn of(what: &str, error: &kube::Error) -> Self {
        let clean = Clean::new(what);
        match error {
            kube::Error::Api(status) => Self::of_status(what, status),
            kube::Error::Auth(error) => Self::Login { reason: message(&chain(error)) },
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => {
                Self::Unreadable { what: clean, reason: message(&chain(error)) }
            }
            kube::Error::BuildRequest(_) | kube::Error::HttpError(_) => {
                Self::Invalid { what: clean, reason: message(&chain(error)) }
            }
            _ => Self::Unreachable { what: clean, reason: message(&chain(error)) },
        }
    }

    pub(super) fn of_status(what: &str, status: &Status) -> Self {
        let what = Clean::new(what);
        let said = if status.message.is_empty() { &status.reason } else { &status.message };
        let reason = message(&format!("{} {said}", status.code));
        match status.code {
            401 | 403 => Self::Forbidden { what, reason },
            404 => Self::NotFound { what, reason },
            409 => Self::Conflict { what, reason },
            429 => Self::Busy { what, reason },
            400..=499 => Self::Invalid { what, reason },
            _ => Self::Unreachable { what, reason },
        }
    }

    pub(super) fn late(what: &str, seconds: u64) -> Self {
        let reason = message(&format!("no answer within {seconds} s"));
        Self::Unreachable { what: Clean::new(what), reason }
    }

    /// Whether a change that failed like this may have been made all the same (F31).
    pub fn may_have_landed(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Unreadable { .. })
    }
}

/// `text` cleaned and cut to a length a screen line can bear.
pub(super) fn message(text: &str) -> Clean {
    Clean::new(text.trim()).cut(MESSAGE_CHARS_MAX)
}

/// An error and its sources in one line; a source that repeats its parent is left out.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let more = source.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_becomes_what_the_operator_should_do() {
        let say = |code| {
            let status = Status::failure("no\x1b[2J", "Because").with_code(code);
            ClusterError::of_status("read service backend", &status)
        };
        assert!(matches!(say(403), ClusterError::Forbidden { .. }));
        assert!(matches!(say(404), ClusterError::NotFound { .. }));
        assert!(matches!(say(409), ClusterError::Conflict { .. }));
        assert!(matches!(say(429), ClusterError::Busy { .. }));
        assert!(matches!(say(422), ClusterError::Invalid { .. }));
        assert!(say(503).may_have_landed());
        assert_eq!(
            say(503).to_string(),
            "read service backend: the cluster cannot be reached (503 no\\x1b[2J)"
        );
    }
}
