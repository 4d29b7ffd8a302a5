use super::*;

const KEY: Seal<'static> = Seal::Key(b"0123456789abcdef");

fn engine() -> Engine {
    Engine::new(2, 64 << 20).unwrap()
}

fn component() -> Vec<u8> {
    assemble::filter("", "")
}

fn sealed(engine: &Engine, seal: Seal<'_>) -> (Digest, Vec<u8>) {
    let bytes = component();
    let compiled = engine.compile("it", &bytes).unwrap();
    let of = Digest::of(&bytes);
    (of, engine.seal(&compiled, of, bytes.len() as u64, seal).unwrap())
}

/// [`Engine::unseal`] of what these tests made.
#[expect(unsafe_code, reason = "the tests seal, tamper and unseal themselves")]
fn unseal(
    engine: &Engine,
    name: &str,
    sealed: &[u8],
    of: Digest,
    seal: Seal<'_>,
) -> Result<(Component, u64), SealError> {
    // SAFETY: all of it was sealed here, by `Engine::seal` or, with code that is no
    // object file, by hand; nobody else can write to this process's memory.
    unsafe { engine.unseal(name, sealed, of, seal) }
}

fn why(result: Result<(Component, u64), SealError>) -> Option<SealError> {
    result.err()
}

#[test]
fn what_is_sealed_runs_as_what_it_was_made_of() {
    let engine = engine();
    for seal in [KEY, Seal::OwnFolder, Seal::Key(&[7; 200])] {
        let (of, sealed) = sealed(&engine, seal);
        let (loaded, bytes) = unseal(&engine, "name", &sealed, of, seal).unwrap();
        assert_eq!(
            (loaded.name(), loaded.digest(), bytes),
            ("name", of.to_string().as_str(), component().len() as u64)
        );
        assert!(loaded.exports().log_filter.is_some() && loaded.code_bytes() > 1000);
        loaded.check(&[]).unwrap();
        assert_eq!(loaded.with_name("other").name(), "other");
    }
}

#[test]
fn each_byte_counts() {
    let engine = engine();
    for (seal, wrong) in [(KEY, SealError::WrongHmac), (Seal::OwnFolder, SealError::WrongChecksum)] {
        let (of, sealed) = sealed(&engine, seal);
        let regions = [(0, 8), (8, 40), (40, 72), (72, 80), (80, 88), (88, HEADER), (HEADER, sealed.len())];
        for (from, to) in regions {
            for at in [from, (from + to) / 2, to - 1] {
                let mut tampered = sealed.clone();
                tampered[at] ^= 1;
                // A magic or a length that is wrong shows before the seal is asked.
                let expected = if from == 0 || from == 80 { SealError::Damaged } else { wrong.clone() };
                assert_eq!(why(unseal(&engine, "", &tampered, of, seal)), Some(expected), "byte {at}");
            }
        }
        for length in [0, 7, 8, HEADER - 1, HEADER, sealed.len() - 1] {
            assert_eq!(why(unseal(&engine, "", &sealed[..length], of, seal)), Some(SealError::Damaged), "{length}");
        }
        let longer = [&sealed[..], &[0]].concat();
        assert_eq!(why(unseal(&engine, "", &longer, of, seal)), Some(SealError::Damaged));
    }
}

#[test]
fn a_seal_is_true_for_one_key_one_component_and_one_engine() {
    let engine = engine();
    let (of, sealed) = sealed(&engine, KEY);
    for other in [Seal::Key(b"0123456789abcdeF"), Seal::Key(b"0123456789abcde"), Seal::Key(b"")] {
        assert_eq!(why(unseal(&engine, "", &sealed, of, other)), Some(SealError::WrongHmac));
    }
    assert_eq!(why(unseal(&engine, "", &sealed, of, Seal::OwnFolder)), Some(SealError::WrongChecksum));
    assert_eq!(why(unseal(&engine, "", &sealed, Digest::of(b"x"), KEY)), Some(SealError::OtherComponent));

    // With a true seal, but of another engine; and what is no code at all.
    let resealed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut said = sealed[..HEADER - TAG].to_vec();
        change(&mut said);
        let code = &sealed[HEADER..];
        [&said[..], &tag(KEY, &said, code), code].concat()
    };
    assert!(unseal(&engine, "", &resealed(&|_| {}), of, KEY).is_ok());
    let other = resealed(&|said| said[8] ^= 1);
    assert_eq!(why(unseal(&engine, "", &other, of, KEY)), Some(SealError::OtherEngine));
    let mut said = sealed[..HEADER - TAG].to_vec();
    said[80..88].copy_from_slice(&4_u64.to_le_bytes());
    let no_code = [&said[..], &tag(KEY, &said, b"code"), b"code"].concat();
    assert!(matches!(why(unseal(&engine, "", &no_code, of, KEY)), Some(SealError::Unusable(_))));
}

#[test]
fn the_hmac_is_the_standards() {
    // RFC 4231, test cases 2 and 6: a short key, and one longer than a block.
    let (short, long) = (b"Jefe", [0xaa; 131]);
    let text = b"what do ya want for nothing?";
    let hmac = |key: &[u8], text: &[u8]| model::hex(&tag(Seal::Key(key), &text[..4], &text[4..]));
    assert_eq!(hmac(short, text), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    let text = b"Test Using Larger Than Block-Size Key - Hash Key First";
    assert_eq!(hmac(&long, text), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

#[test]
fn a_fingerprint_is_that_of_the_code_not_of_the_pool() {
    let fingerprint = engine().fingerprint();
    for (instances, memory) in [(1, 1 << 20), (200, 128 << 20)] {
        assert_eq!(Engine::new(instances, memory).unwrap().fingerprint(), fingerprint);
    }
}

#[test]
fn a_fingerprint_names_the_version_of_wasmtime_that_is_built_in() {
    let version = WASMTIME.strip_prefix("wasmtime ").unwrap();
    let lock = include_str!("../../../Cargo.lock");
    assert!(lock.contains(&format!("name = \"wasmtime\"\nversion = \"{version}\"\n")), "it isn't {version} any more");
    let cranelift = format!("name = \"wasmtime-internal-cranelift\"\nversion = \"{version}\"\n");
    assert!(lock.contains(&cranelift), "cranelift is of another version");
}

#[test]
fn what_is_no_component_is_not_compiled() {
    let engine = engine();
    let (_, sealed) = sealed(&engine, KEY);
    let code = &sealed[HEADER..];
    for (bytes, says) in
        [(code, "machine code"), (b"", "an empty file"), (b"hello", "a text"), (&sealed, "something else")]
    {
        let error = engine.compile("it", bytes).err().unwrap().to_string();
        assert!(error.contains(says), "{error}");
    }
}
