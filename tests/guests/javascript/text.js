// UTF-8, for which QuickJS has no TextDecoder and TextEncoder. Base64 is its fastest way
// between bytes and a text of one character per byte: a loop over them takes five times as long.

/** Text of UTF-8 bytes. Throws a URIError where they are none. */
export function decode(bytes) {
    return decodeURIComponent(escape(atob(bytes.toBase64())));
}

/** UTF-8 bytes of a text. */
export function encode(text) {
    return Uint8Array.fromBase64(btoa(unescape(encodeURIComponent(text))));
}
