//! Objects in a folder: `DIR/<bucket>/<key>`.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use model::ObjectId;

/// A file as an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalObject {
    /// Bucket and key.
    pub id: ObjectId,
    /// The file's path.
    pub path: PathBuf,
}

impl LocalObject {
    /// Returns the file's metadata.
    ///
    /// # Errors
    /// The metadata can't be read, or this is no regular file.
    pub fn metadata(&self) -> io::Result<Metadata> {
        let metadata = std::fs::metadata(&self.path)?;
        if metadata.is_file() { Ok(metadata) } else { Err(io::Error::other("this is no regular file")) }
    }

    /// Opens the file.
    ///
    /// # Errors
    /// The file can't be read, or is no regular file.
    pub fn open(&self) -> io::Result<File> {
        // Opening a pipe would wait for its other end.
        self.metadata()?;
        File::open(&self.path)
    }
}

/// The objects in a folder, and the files that can't be one.
#[derive(Debug, Default)]
pub struct ObjectListing {
    /// The objects, by bucket and key.
    pub objects: Vec<LocalObject>,
    /// Sentences that name a path and say what is wrong with it.
    pub problems: Vec<String>,
}

/// Lists the objects below `root`, sorted by bucket and key.
///
/// # Errors
/// `root` itself can't be listed.
pub fn list_objects(root: &Path) -> io::Result<ObjectListing> {
    let mut listing = ObjectListing::default();
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        let path = entry.path();
        match (entry.file_name().into_string(), path.is_dir()) {
            (Ok(bucket), true) => list_bucket(&path, &bucket, &mut listing),
            (Ok(_), false) => listing.problems.push(format!(
                "{}: a file outside of a bucket's folder; objects lie at <bucket>/<key>",
                path.display()
            )),
            (Err(_), _) => listing.problems.push(not_utf8(&path)),
        }
    }
    listing.objects.sort_by(|a, b| a.id.cmp(&b.id));
    listing.problems.sort();
    Ok(listing)
}

/// Lists one bucket's folder, without recursion: keys may be deep.
fn list_bucket(bucket_folder: &Path, bucket: &str, listing: &mut ObjectListing) {
    let mut folders = vec![(bucket_folder.to_path_buf(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                listing.problems.push(format!("{}: the folder can't be listed: {error}", folder.display()));
                continue;
            }
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    listing.problems.push(format!("{}: the folder can't be listed: {error}", folder.display()));
                    break;
                }
            };
            let path = entry.path();
            let Ok(name) = entry.file_name().into_string() else {
                listing.problems.push(not_utf8(&path));
                continue;
            };
            // A link to a folder is not followed: it may lead round.
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push((path, format!("{prefix}{name}/"))),
                _ => listing.objects.push(LocalObject {
                    id: ObjectId { bucket: bucket.to_owned(), key: format!("{prefix}{name}") },
                    path,
                }),
            }
        }
    }
}

fn not_utf8(path: &Path) -> String {
    format!("{}: the name is not UTF-8, as S3 keys are", path.display())
}
