// What a guest in JavaScript sees of the world, and what it tries.

import environment from "wasi:cli/environment@0.2.0";
import exit from "wasi:cli/exit@0.2.0";
import stdin from "wasi:cli/stdin@0.2.0";
import monotonicClock from "wasi:clocks/monotonic-clock@0.2.0";
import preopens from "wasi:filesystem/preopens@0.2.0";
import random from "wasi:random/random@0.2.0";
import instanceNetwork from "wasi:sockets/instance-network@0.2.0";

import { decode } from "./text.js";

export function seen(mode) {
    switch (mode) {
        case "file":
            return preopens.getDirectories();
        case "input":
            return input();
        case "sleep":
            monotonicClock.subscribeDuration(3_600_000_000_000).block();
            break;
        case "exit":
            exit.exit({ tag: "err" });
            break;
        case "connect":
            instanceNetwork.instanceNetwork();
            break;
        case "loop":
            for (;;);
        case "memory":
            for (const all = []; ; ) {
                all.push(new Uint8Array(1024 * 1024));
            }
        case "throw":
            throw new TypeError("it broke");
    }
    const [before, clock] = [performance.now(), monotonicClock.now()];
    return {
        now: Date.now(),
        elapsed: performance.now() - before + monotonicClock.now() - clock,
        random: Array.from(random.getRandomBytes(8)),
        // The build's: QuickJS has seeded it before the component is written.
        order: Math.random(),
        environment: environment.getEnvironment().length,
        arguments: environment.getArguments().length,
    };
}

/** All of standard input. */
function input() {
    let text = "";
    const stream = stdin.getStdin();
    try {
        for (;;) {
            text += decode(stream.blockingRead(4096));
        }
    } catch (error) {
        return error.payload?.tag === "closed" ? text : String(error);
    }
}
