//! Manual mode: one message's body from standard input.

use std::io::Read;

use super::message::{Control, Message, MessageOutcome, Processor};

/// The longest body that is read: the largest message that SQS takes.
const MAX_BYTES: u64 = 1024 * 1024;

/// Reads a body from `input`.
///
/// # Errors
/// The body is empty, too long, not UTF-8, or can't be read; with the remedy.
pub fn read(input: impl Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    input
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("standard input can't be read: {error}"))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!(
            "standard input has more than {MAX_BYTES} bytes, the largest message of SQS; give one message"
        ));
    }
    let body = String::from_utf8(bytes).map_err(|_| "standard input is not UTF-8; give the body of one SQS message")?;
    match body.trim() {
        "" => Err("standard input is empty; give the body of one SQS message, such as `{\"Message\": …}`".to_owned()),
        body => Ok(body.to_owned()),
    }
}

/// Processes one body.
///
/// # Errors
/// What is left to do; running it again goes on.
pub async fn run(processor: &Processor, body: String, control: &Control) -> Result<(), String> {
    // A person asked for just this, and is told: a body that announces nothing is an error here.
    crate::notification::parse(&body).map_err(|error| error.to_string())?;
    let message = Message { id: "manual".to_owned(), body, receipt_handle: String::new(), attempt: 1, owner: None };
    match processor.process(&message, control).await {
        MessageOutcome::Done => Ok(()),
        MessageOutcome::Failed(error) => Err(error),
        MessageOutcome::NotStarted | MessageOutcome::LeaseLost => {
            Err("stopped before it was done; run it again".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_and_what_is_none_is_refused_with_its_remedy() {
        assert_eq!(read(&b" {\"Message\": 1}\n"[..]), Ok("{\"Message\": 1}".to_owned()));
        let refused = |input: &[u8]| read(input).unwrap_err();
        assert!(refused(b"").contains("is empty; give the body"));
        assert!(refused(b" \n").contains("is empty"));
        assert!(refused(b"\xff").contains("not UTF-8"));
        assert!(refused(&vec![b' '; 1024 * 1024 + 1]).contains("more than 1048576 bytes"));
    }
}
