"""A port that is missing, taken, no port, or gone: each one clear error. The ports are pseudo-terminals."""

import errno
import fcntl
import os

import pytest
import serial

from tinyedge import errors
from tinyedge.targets import serial_port
from tinyedge.targets.serial_port import SerialPort


def test_a_port_that_is_unplugged_in_the_middle_is_one_clear_error():
    master, slave = os.openpty()
    port = SerialPort(os.ttyname(slave), 115_200)
    try:
        os.close(slave)
        os.close(master)
        with pytest.raises(errors.TargetCrashed, match="the serial port is gone") as caught:
            port.read()
        with pytest.raises(errors.TargetCrashed, match="the serial port is gone"):
            port.write(b"x")
    finally:
        port.close()
    assert caught.value.where.startswith("/dev/pts/")


def test_a_board_that_does_not_read_does_not_hang_the_host(monkeypatch):
    monkeypatch.setattr(serial_port, "_WRITE_S", 0.1)
    master, slave = os.openpty()
    port = SerialPort(os.ttyname(slave), 4_000_000)
    try:
        for _ in range(3):
            port.write(b"\1" * 20_000)
        assert port.read() == b""
    finally:
        port.close()
        os.close(slave)
        os.close(master)


def no_port(path, what, fix, found):
    with pytest.raises(errors.TargetUnavailable, match=what) as caught:
        SerialPort(str(path), 115_200)
    assert caught.value.where == str(path)
    assert caught.value.found == found
    assert fix in caught.value.fix
    assert caught.value.exit_code == 4


def test_a_port_that_is_not_there_or_is_none_is_one_clear_error(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"")
    no_port(tmp_path / "none", "no such serial port", "ls /dev/serial/by-id", "No such file or directory")
    no_port(file, "that is no serial port", "ls /dev/serial/by-id", "a regular file")
    no_port(tmp_path, "that is no serial port", "ls /dev/serial/by-id", "a folder")
    no_port("/dev/null", "that is no serial port", "ls /dev/serial/by-id", os.strerror(errno.ENOTTY))


def test_a_port_that_is_in_use_is_one_clear_error():
    master, slave = os.openpty()
    try:
        fcntl.flock(slave, fcntl.LOCK_EX)
        no_port(os.ttyname(slave), "in use", "fuser -v", os.strerror(errno.EAGAIN))
    finally:
        os.close(slave)
        os.close(master)


def test_a_port_that_may_not_be_opened_is_one_clear_error(monkeypatch):
    def denied(*arguments):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), arguments[0])

    monkeypatch.setattr(serial.serialposix.os, "open", denied)  # root may open anything
    no_port("/dev/ttyACM0", "may not be opened", "usermod -aG", "Permission denied")
