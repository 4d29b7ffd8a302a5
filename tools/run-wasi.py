#!/usr/bin/env python3
"""Runs a WASI program: tools/run-wasi.py PROGRAM [ARGUMENT...]; this folder is all it can open."""

import sys

from wasmtime import Engine, ExitTrap, Linker, Module, Store, WasiConfig


def main(arguments):
    """Returns the program's exit code."""
    engine = Engine()
    store = Store(engine)
    wasi = WasiConfig()
    wasi.argv = arguments
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    wasi.preopen_dir(".", ".")
    store.set_wasi(wasi)
    module = Module.from_file(engine, arguments[0])
    linker = Linker(engine)
    linker.define_wasi()
    # Debian's wasi-libc names imports that no runtime has any more; no test calls them.
    linker.define_unknown_imports_as_traps(module)
    try:
        linker.instantiate(store, module).exports(store)["_start"](store)
    except ExitTrap as exited:
        return exited.code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
