// Redacts e-mail addresses and passwords, drops records of a level, and doesn't want
// objects of some applications: all three by settings. Of each record it also adds what
// it sees of the world; `mode` is what it tries besides. tests/guests/python and
// tests/guests/wasi do the same.

import hostLog from "log-router:plugin/host-log@0.1.0";

import { decode, encode } from "./text.js";
import { seen } from "./world.js";

const EMAIL = /[\w.+-]+@[\w-]+\.[\w.-]+/g;
const NEWLINE = 10;

const DEFAULTS = { mode: "", drop: "debug", replacement: "<e-mail>", "unwanted-applications": "" };
let settings = DEFAULTS;

const settingsOf = (context) => ({ ...DEFAULTS, ...Object.fromEntries(context.settings) });

export const settingsCheck = {
    check(pairs) {
        const unknown = pairs.map(([name]) => name).filter((name) => !(name in DEFAULTS));
        if (unknown.length > 0) {
            throw `unknown settings: ${unknown.join(", ")}`;
        }
    },
};

export const logFilter = {
    wants(context) {
        const unwanted = settingsOf(context)["unwanted-applications"].split(",");
        return !unwanted.includes(context.origin.application);
    },
};

export const recordRewrite = {
    begin(context, now) {
        settings = settingsOf(context);
        if (settings.mode === "reject") {
            throw { tag: "rejected", val: "none of it" };
        }
    },

    rewrite(firstLine, bytes) {
        const out = new Output();
        let number = firstLine;
        for (let at = 0; at < bytes.length; number++) {
            const newline = bytes.indexOf(NEWLINE, at);
            const end = newline < 0 ? bytes.length : newline;
            rewriteLine(number, bytes.subarray(at, end), out);
            at = end + 1;
        }
        return out.rewritten();
    },

    end() {
        return new Output().rewritten();
    },
};

class Output {
    pieces = [];
    sources = [];
    notes = [];

    add(number, line) {
        this.pieces.push(encode(`${line}\n`));
        this.sources.push(number);
    }

    malformed(number) {
        this.notes.push({ first: number, last: number, verdict: { tag: "malformed", val: "no JSON" } });
    }

    rewritten() {
        const lines = new Uint8Array(this.pieces.reduce((sum, piece) => sum + piece.length, 0));
        let at = 0;
        for (const piece of this.pieces) {
            lines.set(piece, at);
            at += piece.length;
        }
        return { lines, sources: this.sources, notes: this.notes, pendingFrom: null };
    }
}

function rewriteLine(number, bytes, out) {
    let record;
    try {
        const text = decode(bytes);
        if (text.trim() === "") {
            return;
        }
        record = JSON.parse(text);
    } catch {
        out.malformed(number);
        return;
    }
    if (record.level === settings.drop) {
        return;
    }
    if (typeof record.message === "string") {
        record.message = record.message.replaceAll(EMAIL, settings.replacement);
    }
    if ("password" in record) {
        record.password = "***";
    }
    if (settings.mode !== "plain") {
        record.seen = seen(settings.mode);
        hostLog.log("info", `line ${number}`);
        hostLog.log("warn", `line ${number}`);
    }
    out.add(number, JSON.stringify(record));
}
