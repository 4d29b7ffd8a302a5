//! Dead letters in the output folder: `dead-letter/<bucket>/<key>/<delivery>.ndjson`, or
//! `object.ndjson` if they are about the object as a whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::append::AppendFile;
use super::{OutputError, path};
use crate::delivery::dead_letter::DeadLetterLine;
use model::{DeadLetter, ObjectId};

/// The dead letters below an output folder.
#[derive(Debug)]
pub struct DeadLetters {
    root: PathBuf,
}

/// The dead letters of one attempt at one delivery of an object.
#[derive(Debug)]
pub struct DeadLetterFile {
    path: PathBuf,
    /// Digest of the tenant's component, where one was at work.
    component: Option<String>,
    /// The file; `None` before the first dead letter.
    file: Option<AppendFile>,
}

impl DeadLetters {
    /// Dead letters below the output folder `root`. Nothing is created yet.
    pub fn new(root: &Path) -> Self {
        let root = root.join("dead-letter");
        Self { root }
    }

    /// Begins an attempt. The dead letters of an earlier attempt at the same delivery are
    /// removed, so that a repeated attempt leaves the same ones. `delivery`: its id, or `None`
    /// for the object as a whole. `component`: digest of the tenant's component, if it has
    /// one.
    ///
    /// # Errors
    /// The file of an earlier attempt can't be removed.
    pub fn begin(
        &self,
        object: &ObjectId,
        delivery: Option<&str>,
        component: Option<String>,
    ) -> Result<DeadLetterFile, OutputError> {
        let folder = self.root.join(path::segment(&object.bucket)).join(path::folders(&object.key));
        let path = folder.join(path::segment(delivery.unwrap_or("object")) + ".ndjson");
        match fs::remove_file(&path) {
            Err(e) if !is_missing(&e) => Err(OutputError::write(&path)(e)),
            _ => Ok(DeadLetterFile { path, component, file: None }),
        }
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

impl DeadLetterFile {
    /// Appends a dead letter, which is in the file when this returns.
    ///
    /// # Errors
    /// The file and the cause; nothing of the letter remains then.
    pub fn write(&mut self, letter: &DeadLetter) -> Result<(), OutputError> {
        let mut line = Vec::new();
        let component = self.component.as_deref();
        DeadLetterLine::of(letter).made_by(component).write(&mut line).map_err(OutputError::write(&self.path))?;
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(AppendFile::open(self.path.clone())?),
        };
        file.append(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::testing::letter;

    #[test]
    fn an_attempt_repeated_leaves_the_same_letters() {
        let dir = tempfile::tempdir().unwrap();
        let letters = DeadLetters::new(dir.path());
        let object = letter(b"").object;
        let path = dir.path().join("dead-letter/logs/c/n/a/p/f%2Endjson/cloudwatch.ndjson");
        for _ in 0..2 {
            let mut file = letters.begin(&object, Some("cloudwatch"), Some("abcd".to_owned())).unwrap();
            assert!(!path.exists());
            file.write(&letter(b"{oops")).unwrap();
            file.write(&letter(b"again")).unwrap();
            assert_eq!(file.path, path);
        }
        let first = r#"{"tenant":"n","delivery":"cloudwatch","bucket":"logs","key":"c/n/a/p/f.ndjson","component":"abcd","reason":"malformed","detail":"no JSON","lines":[3,3],"offset":120,"length":5,"data":"{oops"}"#;
        let written = fs::read_to_string(&path).unwrap();
        assert_eq!(written.lines().next(), Some(first));
        assert_eq!(written.lines().count(), 2);
        letters.begin(&object, Some("cloudwatch"), None).unwrap();
        assert!(!path.exists(), "an attempt without letters leaves none");
    }

    #[test]
    fn letters_about_the_object_have_a_file_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let object = ObjectId { bucket: "b".to_owned(), key: "short".to_owned() };
        let file = DeadLetters::new(dir.path()).begin(&object, None, None).unwrap();
        assert_eq!(file.path, dir.path().join("dead-letter/b/short/object.ndjson"));
    }
}
