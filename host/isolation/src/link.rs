//! A socket and shared memory between the processor and one worker. Headers are small and go
//! by the socket, which keeps the bounds of messages; what is longer goes by the memory, a
//! piece of it at a time.
//!
//! Both sides read the memory into buffers of their own before they look at it: the other side
//! may change it at any time.

use std::io::{Error, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

/// Bytes of the shared memory: a usual chunk and its answer fit at once.
const REGION_BYTES: usize = 1024 * 1024;

/// Most bytes of one message's small part.
const MAX_PACKET: usize = 512;

/// One end of a socket pair that keeps the bounds of messages.
#[derive(Debug)]
pub(crate) struct Socket(OwnedFd);

impl Socket {
    /// Two ends.
    pub(crate) fn pair() -> std::io::Result<(Self, Self)> {
        let flags = SocketFlags::CLOEXEC;
        let (one, other) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        Ok((Self(one), Self(other)))
    }

    pub(crate) fn of(fd: OwnedFd) -> Self {
        Self(fd)
    }

    pub(crate) fn into_fd(self) -> OwnedFd {
        self.0
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Sends a packet, with files if there are any.
    pub(crate) fn send(&self, packet: &[u8], files: &[BorrowedFd<'_>]) -> std::io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(files)) {
            return Err(Error::other("too many files"));
        }
        let sent = retry(|| {
            rustix::net::sendmsg(&self.0, &[IoSlice::new(packet)], &mut ancillary, SendFlags::NOSIGNAL)
        })?;
        if sent == packet.len() { Ok(()) } else { Err(Error::other("a packet was cut")) }
    }

    /// Receives a packet, and files where it brought some; waits until `deadline` at most.
    /// An end of the stream is `UnexpectedEof`.
    pub(crate) fn receive(&self, deadline: Option<Instant>) -> std::io::Result<(Vec<u8>, Vec<OwnedFd>)> {
        self.wait(deadline)?;
        let mut packet = vec![0; MAX_PACKET];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let message = retry(|| {
            let mut into = [IoSliceMut::new(&mut packet)];
            rustix::net::recvmsg(&self.0, &mut into, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        })?;
        if message.bytes == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if message.flags.contains(ReturnFlags::TRUNC) {
            return Err(Error::new(ErrorKind::InvalidData, "a packet is too long"));
        }
        packet.truncate(message.bytes);
        let files = ancillary.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(files) => Some(files),
            _ => None,
        });
        Ok((packet, files.flatten().collect()))
    }

    fn wait(&self, deadline: Option<Instant>) -> std::io::Result<()> {
        let Some(deadline) = deadline else { return Ok(()) };
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            let timeout = rustix::time::Timespec::try_from(left.min(Duration::from_secs(3600)));
            let timeout = timeout.map_err(Error::other)?;
            let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
            match poll(&mut fds, Some(&timeout)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> std::io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return Ok(done?),
        }
    }
}

/// Memory that both sides see. Its size can't change, so that nobody's access can fail.
pub(crate) struct Region(OwnedFd);

impl Region {
    pub(crate) fn new() -> std::io::Result<Self> {
        let fd = rustix::fs::memfd_create("border", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        rustix::fs::ftruncate(&fd, REGION_BYTES as u64)?;
        rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok(Self(fd))
    }

    pub(crate) fn of(fd: OwnedFd) -> Self {
        Self(fd)
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A file in memory that holds `bytes`, and that nobody can change any more.
pub(crate) fn sealed_file(name: &str, bytes: &[u8]) -> std::io::Result<OwnedFd> {
    let fd = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    write_at(fd.as_fd(), bytes, 0)?;
    rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL)?;
    Ok(fd)
}

/// Reads a whole file in memory, at most so many bytes.
pub(crate) fn read_file(fd: BorrowedFd<'_>, most: u64) -> std::io::Result<Vec<u8>> {
    let size = u64::try_from(rustix::fs::fstat(fd)?.st_size).unwrap_or(0);
    if size > most {
        return Err(Error::new(ErrorKind::InvalidData, "a file in memory is too large"));
    }
    let mut bytes = vec![0; usize::try_from(size).map_err(Error::other)?];
    read_at(fd, &mut bytes, 0)?;
    Ok(bytes)
}

pub(crate) fn write_at(fd: BorrowedFd<'_>, mut bytes: &[u8], mut at: u64) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let written = retry(|| rustix::io::pwrite(fd, bytes, at))?;
        if written == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(written..).unwrap_or_default();
        at = at.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
    }
    Ok(())
}

fn read_at(fd: BorrowedFd<'_>, mut bytes: &mut [u8], mut at: u64) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let read = retry(|| rustix::io::pread(fd, &mut *bytes, at))?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        bytes = bytes.get_mut(read..).unwrap_or_default();
        at = at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
    Ok(())
}

/// A message: its header, and bytes that follow it.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) header: Vec<u8>,
    pub(crate) bulk: Vec<u8>,
}

/// The first byte of each packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The first piece of a message is in the memory: lengths of its header and of its bulk.
    Begin,
    /// The next piece may be written, or has been.
    Next,
    /// The worker asks for memory: bytes in all.
    Grow,
    /// Whether it may have them.
    Granted,
    /// The worker made a system call that is forbidden: its number.
    Forbidden,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Begin, Self::Next, Self::Grow, Self::Granted, Self::Forbidden];

    pub(crate) const fn byte(self) -> u8 {
        self as u8
    }

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.byte() == byte)
    }
}

/// A packet, taken apart: its kind, and up to two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) kind: Kind,
    pub(crate) numbers: [u64; 2],
}

impl Packet {
    pub(crate) fn new(kind: Kind, first: u64, second: u64) -> Self {
        Self { kind, numbers: [first, second] }
    }

    pub(crate) fn encode(self) -> [u8; 17] {
        let mut packet = [0; 17];
        let bytes = [self.kind.byte()].into_iter().chain(self.numbers.into_iter().flat_map(u64::to_le_bytes));
        packet.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        packet
    }

    pub(crate) fn decode(packet: &[u8]) -> Option<Self> {
        let (&kind, rest) = packet.split_first()?;
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let (second, rest) = rest.split_first_chunk::<8>()?;
        let numbers = [u64::from_le_bytes(*first), u64::from_le_bytes(*second)];
        rest.is_empty().then_some(Self { kind: Kind::of(kind)?, numbers })
    }
}

/// One end: the socket, and the memory.
pub(crate) struct Link {
    pub(crate) socket: Socket,
    pub(crate) region: Region,
}

impl Link {
    /// Sends a message. `deadline`: for the other side to take each piece.
    pub(crate) fn send(&self, header: &[u8], bulk: &[&[u8]], deadline: Option<Instant>) -> std::io::Result<()> {
        let total: usize = bulk.iter().map(|part| part.len()).sum();
        let mut parts: Vec<&[u8]> = std::iter::once(header).chain(bulk.iter().copied()).collect();
        parts.reverse();
        let begin = Packet::new(Kind::Begin, length(header.len()), length(total));
        self.write_piece(&mut parts)?;
        self.socket.send(&begin.encode(), &[])?;
        while !parts.is_empty() {
            self.expect_next(deadline)?;
            self.write_piece(&mut parts)?;
            self.socket.send(&Packet::new(Kind::Next, 0, 0).encode(), &[])?;
        }
        Ok(())
    }

    /// Receives the message that `begin` announces, at most so many bytes of it.
    pub(crate) fn receive(&self, begin: Packet, most: u64, deadline: Option<Instant>) -> std::io::Result<Message> {
        let [header, bulk] = begin.numbers;
        if header.saturating_add(bulk) > most {
            return Err(Error::new(ErrorKind::InvalidData, "a message is too long"));
        }
        let size = |bytes| usize::try_from(bytes).map_err(Error::other);
        let mut message = Message { header: vec![0; size(header)?], bulk: Vec::new() };
        let mut piece = Piece { link: self, at: 0, deadline };
        piece.fill(&mut message.header)?;
        message.bulk = vec![0; size(bulk)?];
        piece.fill(&mut message.bulk)?;
        Ok(message)
    }

    /// Writes as much as fits; takes what was written off `parts`, which are in reverse order.
    fn write_piece(&self, parts: &mut Vec<&[u8]>) -> std::io::Result<()> {
        let mut at = 0;
        while let Some(part) = parts.pop() {
            let (now, later) = part.split_at(part.len().min(REGION_BYTES - at));
            write_at(self.region.fd(), now, length(at))?;
            at += now.len();
            if !later.is_empty() {
                parts.push(later);
                break;
            }
        }
        Ok(())
    }

    fn expect_next(&self, deadline: Option<Instant>) -> std::io::Result<()> {
        match Packet::decode(&self.socket.receive(deadline)?.0) {
            Some(Packet { kind: Kind::Next, .. }) => Ok(()),
            _ => Err(Error::new(ErrorKind::InvalidData, "another packet than the next piece's")),
        }
    }
}

/// The piece of a message that is in the memory.
struct Piece<'a> {
    link: &'a Link,
    at: usize,
    deadline: Option<Instant>,
}

impl Piece<'_> {
    fn fill(&mut self, mut buffer: &mut [u8]) -> std::io::Result<()> {
        while !buffer.is_empty() {
            if self.at == REGION_BYTES {
                self.link.socket.send(&Packet::new(Kind::Next, 0, 0).encode(), &[])?;
                self.link.expect_next(self.deadline)?;
                self.at = 0;
            }
            let now = buffer.len().min(REGION_BYTES - self.at);
            let (piece, rest) = buffer.split_at_mut(now);
            read_at(self.link.region.fd(), piece, length(self.at))?;
            self.at += now;
            buffer = rest;
        }
        Ok(())
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> (Link, Link) {
        let (one, other) = Socket::pair().unwrap();
        let region = Region::new().unwrap();
        let same = Region::of(region.0.try_clone().unwrap());
        (Link { socket: one, region }, Link { socket: other, region: same })
    }

    #[test]
    fn messages_of_any_length_arrive_as_they_were() {
        let (one, other) = links();
        for (header, bulk) in [(0, 0), (1, 0), (5, 1), (5, REGION_BYTES - 5), (5, REGION_BYTES), (REGION_BYTES, 1), (9, 3 * REGION_BYTES + 7)] {
            let bytes = |seed: u8, count: usize| (0..count).map(|at| seed.wrapping_add((at % 251) as u8)).collect();
            let (header, bulk): (Vec<u8>, Vec<u8>) = (bytes(1, header), bytes(7, bulk));
            std::thread::scope(|scope| {
                scope.spawn(|| one.send(&header, &[&bulk[..bulk.len() / 2], &bulk[bulk.len() / 2..]], None).unwrap());
                let begin = Packet::decode(&other.socket.receive(None).unwrap().0).unwrap();
                let message = other.receive(begin, u64::MAX, None).unwrap();
                assert!(message.header == header && message.bulk == bulk, "{} {}", header.len(), bulk.len());
            });
        }
    }

    #[test]
    fn what_is_announced_as_too_long_is_not_read() {
        let (_one, other) = links();
        let begin = Packet::new(Kind::Begin, u64::MAX, 7);
        assert_eq!(other.receive(begin, 100, None).unwrap_err().kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn whoever_waits_does_so_until_the_deadline_and_hears_of_an_end() {
        let (one, other) = links();
        let now = Instant::now();
        assert_eq!(other.socket.receive(Some(now)).unwrap_err().kind(), ErrorKind::TimedOut);
        drop(one);
        assert_eq!(other.socket.receive(None).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn the_memory_keeps_its_size() {
        let region = Region::new().unwrap();
        assert!(rustix::fs::ftruncate(region.fd(), 1).is_err());
        assert!(write_at(region.fd(), b"x", REGION_BYTES as u64).is_err());
    }

    #[test]
    fn only_packets_are_packets() {
        let packet = Packet::new(Kind::Grow, 7, 9);
        assert_eq!(Packet::decode(&packet.encode()), Some(packet));
        for bad in [&b""[..], &[0; 16], &[0; 18], &[9; 17]] {
            assert_eq!(Packet::decode(bad), None);
        }
    }
}
