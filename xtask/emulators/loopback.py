"""Runs a console script of this Python environment with every server bound to 127.0.0.1.

    python loopback.py SCRIPT [ARGUMENT...]

For emulators that listen on every interface. The process ends when its standard input does, so it cannot outlive
whoever started it.
"""

import os
import runpy
import socket
import sys
import threading

EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}

bind = socket.socket.bind


def bind_loopback(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6):
        host = address[0]
        if self.family == socket.AF_INET6 and host == "":
            host = "::"
        address = (EVERYWHERE.get(host, host), *address[1:])
    return bind(self, address)


def end_with_input():
    # The descriptor itself: a thread inside Python's buffered reader would block the interpreter's own exit.
    while os.read(0, 4096):
        pass
    os._exit(0)


socket.socket.bind = bind_loopback
threading.Thread(target=end_with_input, daemon=True).start()
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
