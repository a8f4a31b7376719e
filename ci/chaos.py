"""What fails when the system fails: kill_port with one system call at a time that fails. See chaos.sh, which starts this.

Each run is traced (ptrace), and the fault is put in place of the call: an error number instead of it, or less room than was asked for, so
that the kernel itself answers in part. A fault is written `SITUATION CALL ERROR POSITION`; the position is a number (the n-th such call of
the program, all threads together, from Rust's first poll on), `N+` (that and all later ones), or `odd` (each second one: an error that
asks for another try, and comes for ever, is no error of any kernel).
"""

import ctypes, errno, fcntl, mmap, os, pty, random, re, signal, socket, struct, sys, termios, time
from zlib import crc32

ERRORS = "EINTR EAGAIN EMFILE ENOMEM EACCES"
# The system calls by number (x86-64), and what each is made to answer. `short` leaves less room. Calls of the C library and of Rust's own
# fail with what their manual pages promise, since these take anything else for a fault of their own; those that can't fail are not here.
CALLS = {
    0: ("read", ERRORS + " EIO ESRCH short"), 1: ("write", ERRORS + " EIO ENOSPC EPIPE short"), 2: ("open", ERRORS), 3: ("close", "EINTR"),
    4: ("stat", ERRORS), 5: ("fstat", ERRORS + " EIO"), 6: ("lstat", ERRORS), 7: ("poll", "EINTR EAGAIN ENOMEM EINVAL"),
    8: ("lseek", ERRORS + " EINVAL"), 9: ("mmap", "ENOMEM EAGAIN EACCES"), 10: ("mprotect", "ENOMEM EACCES"), 11: ("munmap", "ENOMEM"),
    12: ("brk", "ENOMEM"), 16: ("ioctl", ERRORS + " ENOTTY EIO"),
    17: ("pread64", ERRORS + " EIO short"), 19: ("readv", ERRORS + " EIO"), 20: ("writev", ERRORS + " EIO"), 21: ("access", ERRORS),
    22: ("pipe", ERRORS), 24: ("sched_yield", "ENOSYS"), 25: ("mremap", "ENOMEM EAGAIN"), 28: ("madvise", "ENOMEM EAGAIN EACCES"),
    32: ("dup", ERRORS), 35: ("nanosleep", "EINTR"), 41: ("socket", ERRORS + " EPERM ENFILE ENOBUFS EAFNOSUPPORT EPROTONOSUPPORT"),
    42: ("connect", ERRORS + " EPERM ECONNREFUSED ENOENT ETIMEDOUT"), 44: ("sendto", ERRORS + " EPERM ENOBUFS ECONNREFUSED EPIPE short"),
    45: ("recvfrom", ERRORS + " ENOBUFS ECONNREFUSED short"), 46: ("sendmsg", ERRORS + " ENOBUFS"), 47: ("recvmsg", ERRORS + " ENOBUFS"),
    48: ("shutdown", ERRORS + " ENOTCONN"), 49: ("bind", ERRORS + " EPERM EADDRINUSE EADDRNOTAVAIL"), 50: ("listen", ERRORS),
    51: ("getsockname", ERRORS + " ENOBUFS"), 52: ("getpeername", ERRORS + " ENOBUFS"), 53: ("socketpair", ERRORS + " ENFILE"),
    54: ("setsockopt", ERRORS + " EPERM ENOBUFS ENOPROTOOPT"), 55: ("getsockopt", ERRORS + " ENOBUFS"), 56: ("clone", "EAGAIN ENOMEM EPERM"),
    62: ("kill", ERRORS + " EPERM ESRCH"), 63: ("uname", ERRORS), 72: ("fcntl", ERRORS), 78: ("getdents", ERRORS), 79: ("getcwd", ERRORS),
    89: ("readlink", ERRORS + " EIO short"), 97: ("getrlimit", ERRORS + " EPERM"), 98: ("getrusage", ERRORS), 125: ("capget", ERRORS + " EPERM"),
    131: ("sigaltstack", "ENOMEM"), 157: ("prctl", ERRORS + " EPERM EINVAL"), 202: ("futex", "EINTR EAGAIN"), 204: ("sched_getaffinity", ERRORS + " ESRCH"),
    217: ("getdents64", ERRORS + " EIO ENOENT short"), 228: ("clock_gettime", "EINVAL"), 230: ("clock_nanosleep", "EINTR"), 232: ("epoll_wait", "EINTR"),
    234: ("tgkill", "EAGAIN"), 257: ("openat", ERRORS + " EPERM ENFILE EIO"), 262: ("newfstatat", ERRORS + " EPERM EIO"),
    267: ("readlinkat", ERRORS + " EIO short"), 269: ("faccessat", ERRORS), 271: ("ppoll", "EINTR EAGAIN ENOMEM EINVAL"), 291: ("epoll_create1", ERRORS),
    292: ("dup3", ERRORS), 293: ("pipe2", ERRORS), 302: ("prlimit64", ERRORS + " EPERM"), 312: ("kcmp", ERRORS + " EPERM ESRCH ENOSYS"),
    318: ("getrandom", "EINTR ENOSYS"), 332: ("statx", ERRORS + " EPERM ENOSYS EIO"), 424: ("pidfd_send_signal", ERRORS + " EPERM ESRCH ENOSYS EINVAL"),
    434: ("pidfd_open", ERRORS + " EPERM ESRCH ENOSYS ENFILE"), 435: ("clone3", "EAGAIN ENOMEM ENOSYS EPERM"), 436: ("close_range", ERRORS + " ENOSYS"),
    438: ("pidfd_getfd", ERRORS + " EPERM ESRCH ENOSYS"), 439: ("faccessat2", ERRORS + " ENOSYS"),
}
# They have no error that a program could meet: threads, their names and ends, and numbers of one's own.
SURE = {13, 14, 15, 39, 60, 96, 102, 104, 107, 108, 110, 111, 115, 122, 123, 186, 201, 218, 219, 231, 273, 309, 334}
NUMBERS = {name: number for number, (name, _) in CALLS.items()}
# Rust's allocator and its threads end the program where there is no memory. Nothing else may.
MEMORY = {"mmap", "mprotect", "brk", "mremap", "sigaltstack", "munmap", "madvise"}
# Which register says how much room there is, and how much is left of it.
ROOM = {"read": (12, 1), "pread64": (12, 7), "write": (12, 1), "sendto": (12, 9), "recvfrom": (12, 40), "getdents64": (12, 280), "readlink": (12, 3), "readlinkat": (7, 3)}
# What says that this program may not bind there, or that nobody can.
FORBIDDEN = {("bind", "EACCES"), ("bind", "EPERM"), ("bind", "EADDRNOTAVAIL"), ("socket", "EAFNOSUPPORT"), ("socket", "EPROTONOSUPPORT")}
LIMIT = 30  # seconds; the longest way is ten tries, SIGKILL, and five more
# So many times as many calls as without a fault, and so many more, are enough for every way round it: polls instead of a wait, bytes instead of a file.
# Where each other look fails, a port is in use by turns, until the time is up.
TIMES, TIMES_BY_TURNS, MORE = 50, 200, 20000
PORT, RANGE = 8080, range(8080, 8086)

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes, libc.ptrace.restype = [ctypes.c_long] * 4, ctypes.c_long
SYSCALL, POKEUSER, SETOPTIONS, TRACEME, ATTACH, INFO = 24, 6, 0x4200, 0, 16, 0x420E
info = ctypes.create_string_buffer(88)


def ptrace(request, pid, address=0, data=0):
    return libc.ptrace(request, pid, address, data)


class Late(Exception):
    pass


class Fault:
    def __init__(self, call, error, position):
        self.call, self.error, self.position = NUMBERS[call], error, position
        self.name, self.hits = call, 0

    def strikes(self, count):
        position = self.position
        if position == "odd":
            is_hit = count % 2 == 1
        elif position.endswith("+"):
            is_hit = count >= int(position[:-1])
        else:
            is_hit = count == int(position)
        self.hits += is_hit
        return is_hit


class Run:
    """One run of the program, traced; `base` are calls that always fail: {call: (first argument or None, error)}; `usual` is
    how many calls it makes without a fault."""

    def __init__(self, command, base, fault, prepare, keys, reaped, caller, usual):
        self.counts, self.unknown, self.where = {}, set(), []
        streams = None if keys else [os.memfd_create("out"), os.memfd_create("err")]
        master, slave = pty.openpty() if keys else (None, None)
        if keys:
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))
        self.screen, self.seen, self.idle, self.keys = b"", 0, 0, 0
        self.pid = caller(command, streams) if caller else os.fork()
        if self.pid == 0:
            def stop():
                prepare()
                ptrace(TRACEME, 0)
                os.kill(os.getpid(), signal.SIGSTOP)

            try:
                if keys:
                    os.setsid()
                    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
                    become(command, [slave] * 3, stop)
                become(command, [os.open("/dev/null", os.O_RDONLY), *streams], stop)
            finally:
                os._exit(99)
        if keys:
            os.close(slave)
            os.set_blocking(master, False)
        started, tick = time.monotonic(), 0

        def on_time(*_):
            nonlocal tick
            tick += 1
            if keys:
                self.read(master)
                if tick % 4 == 0:
                    self.type(master)
            # Each call stops the program twice, and on a busy machine it waits for its turn each time. What it makes now does not count: a loop
            # without end would get all the time there is.
            if time.monotonic() - started > LIMIT + min(150, usual / 5):
                raise Late("HANG")
            times = TIMES_BY_TURNS if fault and fault.position == "odd" else TIMES
            if (calls := sum(self.counts.values())) > times * usual + MORE:
                raise Late(f"SPIN of {calls} calls, {usual} without a fault")

        signal.signal(signal.SIGALRM, on_time)
        self.late = None
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
            self.status = self.trace(base, fault, reaped)
        except Late as late:
            self.late = str(late)
            signal.setitimer(signal.ITIMER_REAL, 0)
            os.kill(self.pid, signal.SIGKILL)
            self.status = self.trace({}, None, reaped)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        self.took = time.monotonic() - started
        if keys:
            self.read(master)
            os.close(master)
            self.out = self.err = self.screen.decode(errors="replace")
        else:
            self.out, self.err = (os.pread(stream, 1 << 20, 0).decode(errors="replace") for stream in streams)
            for stream in streams:
                os.close(stream)
        self.code = os.waitstatus_to_exitcode(self.status)

    def read(self, master):
        try:
            while part := os.read(master, 65536):
                self.screen += part
        except OSError:
            pass

    def type(self, master):
        """Yes to a question, Enter in the list, once something new is shown or a while has passed; at last Ctrl-C, which has to end it."""
        self.idle += 1
        if len(self.screen) == self.seen and self.idle < 10:
            return
        self.seen, self.idle, self.keys = len(self.screen), 0, self.keys + 1
        is_asked = self.screen.rfind(b"[y/N]") > self.screen.rfind(b"free which?")
        try:
            os.write(master, b"\x03" if self.keys > 10 else b"y\n" if is_asked else b"\r")
        except OSError:
            pass

    def trace(self, base, fault, reaped):
        threads, answers, is_begun = {}, {}, False
        while True:
            tid, status = os.waitpid(-1, 0x40000000)  # __WALL
            if os.WIFSTOPPED(status):
                signal_number, forward = os.WSTOPSIG(status), 0
                if signal_number == signal.SIGTRAP | 0x80:
                    length = ptrace(INFO, tid, 88, ctypes.addressof(info))
                    kind = info.raw[0] if length > 0 else 0
                    if kind == 1:
                        number, *arguments = struct.unpack_from("7Q", info.raw, 24)
                        if not is_begun:
                            is_begun = number == 7 and arguments[1] == 3
                        else:
                            self.enter(tid, number, arguments, base, fault, answers)
                    elif kind == 2 and tid in answers:
                        ptrace(POKEUSER, tid, 80, answers.pop(tid))
                elif tid not in threads:
                    # SYSGOOD, CLONE, EXEC, EXITKILL.
                    if tid == self.pid:
                        ptrace(SETOPTIONS, tid, 0, 0x1 | 0x8 | 0x10 | 0x100000)
                    threads[tid] = True
                elif status >> 16 == 0:
                    forward = signal_number
                ptrace(SYSCALL, tid, 0, forward)
            elif tid == self.pid:
                return status
            elif tid in threads:
                del threads[tid]
            else:
                reaped[tid] = status

    def enter(self, tid, number, arguments, base, fault, answers):
        # A wake is never interrupted, nor asked to come again.
        if number in SURE or (number == 202 and arguments[1] & 0x7F == 1):
            return
        if number not in CALLS:
            self.unknown.add(number)
            return
        name = CALLS[number][0]
        count = self.counts[name] = self.counts.get(name, 0) + 1
        error = None
        if name in base and base[name][0] in (None, arguments[0]):
            error = base[name][1]
        if fault and number == fault.call and fault.strikes(count):
            error = fault.error
            if len(self.where) < 3:
                self.where.append([hex(argument) for argument in arguments[:4]] + [text_at(tid, arguments[1])])
        if error == "short":
            register, room = ROOM[name]
            asked = arguments[2] if register == 12 else arguments[3]
            ptrace(POKEUSER, tid, register * 8, min(asked, room))
            if name == "recvfrom":
                # With MSG_TRUNC the kernel would say how much there was, of which the program has not given away the room.
                ptrace(POKEUSER, tid, 7 * 8, arguments[3] & ~0x20)
        elif error and name == "brk":
            # It tells of no error: what it answers with is where the end is, which it has not moved.
            ptrace(POKEUSER, tid, 112, 0)
        elif error:
            ptrace(POKEUSER, tid, 120, -1)
            answers[tid] = -getattr(errno, error)


def become(command, streams, first):
    for at, stream in enumerate(streams):
        os.dup2(stream, at)
    os.closerange(3, 100)
    first()
    os.execve(command[0], command, ENVIRONMENT)


def text_at(tid, address):
    try:
        with open(f"/proc/{tid}/mem", "rb", 0) as memory:
            memory.seek(address)
            return memory.read(48).split(b"\0")[0].decode(errors="replace")
    except (OSError, ValueError, OverflowError):
        return ""


# -- who is there ------------------------------------------------------------------------------------------------------------------------


def sock(port=PORT, kind=socket.SOCK_STREAM, address="127.0.0.1", listen=True, reuse=True, reuse_port=False):
    s = socket.socket(socket.AF_INET, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, reuse_port)
    # The kernel may not have done yet with what the last scene's connections have left: TIME_WAIT takes a minute.
    end = time.monotonic() + 75
    while True:
        try:
            s.bind((address, port))
            break
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            if time.monotonic() > end:
                with open("/proc/net/tcp") as table:
                    sys.exit(f"port {port} stays in use:\n{table.read()}")
        time.sleep(0.01)
    if listen and kind == socket.SOCK_STREAM:
        s.listen()
    return s


def process(*keeps, ignores=(), folder="/", user=0, first=None, work=None):
    """A child of ours that keeps these sockets and waits."""
    ready, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        os.read(ready, 1)
        os.close(ready)
        return pid
    try:
        signal.setitimer(signal.ITIMER_REAL, 0)
        kept = {s.fileno() for s in keeps}
        for descriptor in range(3, 64):
            if descriptor not in kept and descriptor != writing:
                try:
                    os.close(descriptor)
                except OSError:
                    pass
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        for number in ignores:
            signal.signal(number, signal.SIG_IGN)
        os.chdir(folder)
        if user:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            libc.prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE
        if first:
            first()
        os.close(writing)
        if work:
            work()
        while True:
            signal.pause()
    finally:
        os._exit(0)


class Scene:
    """Those who are there: `watched` are children of ours, and `may` those of them that may end. `caller` starts the command, if not we."""

    def __init__(self, watched=(), may=(), closing=(), held=None, caller=None):
        self.watched, self.may, self.held, self.caller = set(watched), set(may), held, caller
        for s in closing:
            s.close()


def free():
    return Scene([process()])


def held(**options):
    s, other = sock(), sock(9090)
    pid, bystander = process(s, **options), process(other)
    return Scene([pid, bystander], [pid], [s, other], pid)


def stubborn():
    return held(ignores=[signal.SIGTERM, signal.SIGINT])


def stopped():
    scene = held()
    os.kill(scene.held, signal.SIGSTOP)
    return scene


def udp():
    s, tcp = sock(kind=socket.SOCK_DGRAM), sock()
    pid, bystander = process(s), process(tcp)
    return Scene([pid, bystander], [pid], [s, tcp], pid)


def workers():
    s = sock()
    pids = [process(s) for _ in range(4)]
    return Scene(pids + [process()], pids, [s], pids[0])


def many():
    all = [sock(port) for port in RANGE]
    pids = [process(s) for s in all]
    return Scene(pids, pids, all, pids[0])


def outside():
    one, two = sock(reuse_port=True), sock(reuse_port=True)
    inside, other = process(one, folder=f"{FOLDER}/in"), process(two, folder=f"{FOLDER}/out")
    return Scene([inside, other], [], [one, two], inside)


def inside():
    return held(folder=f"{FOLDER}/in")


def with_init():
    """PID 1, which is this process and an ancestor, has the socket as well: nobody may be ended."""
    global KEPT
    KEPT = sock()
    pid = process(KEPT)
    return Scene([pid], held=pid)


def ancestor():
    """Whoever has started the command's parent holds the port: nobody may be ended, though it is not PID 1."""
    s = sock()
    ours, theirs = socket.socketpair()

    def work():
        while True:
            line, streams, *_ = socket.recv_fds(theirs, 65536, 2)
            if os.fork() == 0:
                s.close()
                if os.fork() == 0:
                    theirs.send(str(os.getpid()).encode())
                    theirs.recv(1)
                    become(line.decode().split("\0"), [os.open("/dev/null", os.O_RDONLY), *streams], nothing)
                os.wait()
                os._exit(0)
            for stream in streams:
                os.close(stream)
            os.wait()

    def caller(command, streams):
        socket.send_fds(ours, ["\0".join(command).encode()], streams)
        pid = int(ours.recv(16))
        # It is stopped before it does anything else.
        ptrace(ATTACH, pid)
        ours.send(b"!")
        return pid

    pid = process(s, theirs, work=work)
    return Scene([pid], [], [s, theirs], pid, caller)


def manager():
    """The systemd of a user, which is what its name and its control group say: nobody may be ended."""
    file = f"{FOLDER}/cgroup"
    with open(file, "w") as text:
        text.write("0::/user.slice/user-1000.slice/user@1000.service/init.scope\n")
    s = sock()
    pid = process(s, first=lambda: libc.prctl(15, b"systemd", 0, 0, 0))
    if libc.mount(file.encode(), f"/proc/{pid}/cgroup".encode(), None, 4096, None):  # MS_BIND
        sys.exit(f"no control group for systemd: {os.strerror(ctypes.get_errno())}")
    return Scene([pid], [], [s], pid)


def tree():
    """A server whose child holds nothing, and may end only with it; that child is not ours, so that it is not watched."""
    s = sock()
    pid = process(s, first=os.fork)
    return Scene([pid, process()], [pid], [s], pid)


def restarting():
    """Somebody who starts a server again."""
    def work():
        while True:
            child = os.fork()
            if child == 0:
                s = sock()
                while s:
                    signal.pause()
            os.waitpid(child, 0)

    pid = process(work=work)
    until_bound()
    return Scene([pid, process()], [pid], [], pid)


def restarting_and_spared():
    scene = restarting()
    scene.may = set()
    return scene


def client():
    server = sock(9090)
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("2i", 1, 0))
    s.bind(("127.0.0.1", PORT))
    s.connect(("127.0.0.1", 9090))
    accepted, _ = server.accept()
    one, two = process(s), process(server, accepted)
    return Scene([one, two], [], [s, server, accepted], one)


def leftover():
    """A server has ended and left a connection to a helper; its client gives the connection up for good once it is closed."""
    server = sock(reuse=False)
    s = socket.create_connection(("127.0.0.1", PORT))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("2i", 1, 0))
    accepted, _ = server.accept()

    def work():
        s.recv(1)
        s.close()

    pid, helper, other = process(server), process(accepted), process(s, work=work)
    return Scene([pid, helper, other], [pid, helper], [server, s, accepted], pid)


def bound():
    s = sock(listen=False, reuse=False)
    pid = process(s)
    return Scene([pid, process()], [pid], [s], pid)


def elsewhere():
    def first():
        libc.unshare(0x40000000)  # CLONE_NEWNET
        global KEPT
        KEPT = [sock(address="0.0.0.0", port=port) for port in (PORT, PORT + 1)]

    return Scene([process(first=first)])


def foreign():
    return held(user=1000)


def not_ours():
    scene = held()
    scene.may = set()
    return scene


def containers():
    """An engine, and a process that is called as its forwarders are. It ends when the engine is told to stop the container."""
    asked = mmap.mmap(-1, 1)
    s = sock()

    def rename():
        libc.prctl(15, b"docker-proxy", 0, 0, 0)

    proxy = process(s, first=rename)
    path = f"{FOLDER}/engine.sock"
    if os.path.exists(path):
        os.unlink(path)
    engine = socket.socket(socket.AF_UNIX)
    engine.bind(path)
    engine.listen(64)
    listed = (
        '[{"Id":"%s","Names":["/web"],"Image":"nginx","State":"running","Labels":{},'
        '"Ports":[{"IP":"127.0.0.1","PrivatePort":80,"PublicPort":%d,"Type":"tcp"}]}]' % ("0123456789abcdef" * 4, PORT)
    )

    def serve():
        while True:
            connection, _ = engine.accept()
            connection.settimeout(5)
            try:
                request = b""
                while b"\r\n\r\n" not in request:
                    part = connection.recv(4096)
                    if not part:
                        break
                    request += part
                if request.startswith(b"POST") and b"\r\n\r\n" in request:
                    asked[0] = 1
                    os.kill(proxy, signal.SIGKILL)
                    connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                    continue
                body = "{}"
                if request.startswith(b"GET /containers/json"):
                    body = "[]" if asked[0] else listed
                elif request.startswith(b"GET"):
                    body = '{"HostConfig":{"RestartPolicy":{"Name":"always"}}}'
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body.encode()))
            except OSError:
                pass
            finally:
                connection.close()

    server = process(engine, work=serve)
    scene = Scene([proxy, server], [proxy], [s, engine], proxy)
    scene.asked = asked
    return scene


def crowd():
    scene = held()
    scene.watched |= {process() for _ in range(150)}
    return scene


def until_bound():
    for _ in range(1000):
        if not can_bind():
            return
        time.sleep(0.002)


def can_bind(ports=(PORT,), kind=socket.SOCK_STREAM):
    for port in ports:
        for family, address in ((socket.AF_INET6, "::"), (socket.AF_INET, "0.0.0.0")):
            with socket.socket(family, kind) as s:
                if family == socket.AF_INET6:
                    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                if kind == socket.SOCK_STREAM:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    s.bind((address, port))
                except OSError:
                    return False
    return True


def nothing():
    pass


def as_user():
    os.setgroups([])
    os.setresgid(1000, 1000, 1000)
    os.setresuid(1000, 1000, 1000)


def without_tracing():
    libc.prctl(24, 19, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_SYS_PTRACE


class Situation:
    def __init__(self, scene, arguments, frees=True, base={}, prepare=nothing, keys=False, ports=(PORT,), kind=socket.SOCK_STREAM, says=None, is_each=False):
        self.scene, self.arguments, self.frees, self.base, self.prepare = scene, arguments.split(), frees, base, prepare
        self.keys, self.ports, self.kind, self.says = keys, ports, kind, says
        # Whether each single call has to fail: who is spared is told by one or two of many.
        self.is_each = is_each


NO_NETLINK = {"socket": (16, "EPERM")}
OLD = {"pidfd_send_signal": (None, "ENOSYS"), "pidfd_open": (None, "ENOSYS"), "kcmp": (None, "ENOSYS"), "statx": (None, "ENOSYS"), "clone3": (None, "ENOSYS")}
SITUATIONS = {
    "free": Situation(free, "8080"),
    "held": Situation(held, "8080"),
    "force": Situation(held, "-f 8080"),
    "stubborn": Situation(stubborn, "-t 100ms 8080"),
    "stopped": Situation(stopped, "8080"),
    "udp": Situation(udp, "8080/udp", kind=socket.SOCK_DGRAM),
    "workers": Situation(workers, "8080"),
    "range": Situation(many, "8080-8085", ports=RANGE),
    "bound": Situation(bound, "8080"),
    "leftover": Situation(leftover, "8080"),
    "client": Situation(client, "8080"),
    "tree": Situation(tree, "--tree 8080"),
    "supervisor": Situation(restarting, "--supervisor 8080"),
    "returning": Situation(restarting_and_spared, "8080"),
    "outside": Situation(outside, "--in {}/in 8080"),
    "inside": Situation(inside, "--in {}/in 8080"),
    "init": Situation(with_init, "8080"),
    "ancestor": Situation(ancestor, "8080", is_each=True),
    "manager": Situation(manager, "8080", is_each=True),
    "crowd": Situation(crowd, "8080"),
    "elsewhere": Situation(elsewhere, "8080"),
    "containers": Situation(containers, "8080"),
    "others": Situation(foreign, "8080", prepare=without_tracing),
    "user": Situation(not_ours, "8080", prepare=as_user),
    "proc": Situation(held, "8080", base=NO_NETLINK),
    "unlisted": Situation(bound, "8080", base=NO_NETLINK),
    "old": Situation(workers, "8080", base=OLD),
    "json": Situation(held, "--json 8080"),
    "list": Situation(many, "--list", frees=False, says="8080"),
    "look": Situation(held, "--list 8080", frees=False, says="8080"),
    "why": Situation(workers, "--why 8080", frees=False, says="8080: held"),
    "dry": Situation(held, "-n 8080", frees=False, says="PID"),
    "dry-proc": Situation(outside, "-n 8080", frees=False, says="PID", base=NO_NETLINK),
    "ask": Situation(held, "-i 8080", keys=True),
    "pick": Situation(held, "-i", keys=True),
}


# -- judging -----------------------------------------------------------------------------------------------------------------------------

reaped = {}
KEPT = None


def dead(pid):
    if pid in reaped:
        return True
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return True
    if found:
        reaped[pid] = status
    return bool(found)


def clear(scene):
    global KEPT
    KEPT = None
    for pid in scene.watched:
        if not dead(pid):
            os.kill(pid, signal.SIGKILL)
    # What is left are their children, which have become ours.
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) > 1 and int(name) not in reaped:
            try:
                os.kill(int(name), signal.SIGKILL)
            except OSError:
                pass
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass
    reaped.clear()


def judge(name, situation, scene, run, fault):
    """What is wrong with this run."""
    wrong = []
    text = run.out + run.err
    if run.unknown:
        wrong.append(f"UNKNOWN CALLS {sorted(run.unknown)}")
    if run.late:
        wrong.append(run.late)
    is_memory = fault and fault.name in MEMORY
    is_interrupted = run.keys > 10 and run.code == -signal.SIGINT
    if not run.late and not is_interrupted and (run.code < 0 or run.code in (101, 134) or "panicked" in text) and not is_memory:
        wrong.append(f"PANIC {run.code}")
    may = set(scene.may)
    # A process that is closed to this user, or is said not to be there, may hold the port as well, and nobody can tell: then whoever is
    # seen to hold it is ended, though the port would stay held. So it is for every user's servers beside root's. And who is above an
    # ancestor that is closed, is told by its session, group, terminal and children alone, which are those of nobody here.
    if fault and name in ("outside", "init", "ancestor") and fault.error in ("EACCES", "EPERM", "ESRCH", "ENOENT"):
        may.add(scene.held)
    if name == "containers" and not scene.asked[0]:
        may = set()
    for pid in scene.watched - may:
        if dead(pid):
            wrong.append(f"WRONG SIGNAL to {'the holder' if pid == scene.held else 'a bystander'}: {os.waitstatus_to_exitcode(reaped[pid])}")
    is_open = can_bind(situation.ports, situation.kind)
    if situation.frees and not is_open:
        # Where this caller may not bind at all, the tables are all that there is, and do not tell what a connection is in the way of.
        is_forbidden = fault and (fault.name, fault.error) in FORBIDDEN and name in ("client", "leftover", "bound", "unlisted")
        if run.code in (0, 3) and not is_forbidden:
            wrong.append(f"FALSE FREE: exit {run.code}")
        elif run.code and len(situation.ports) == 1 and re.search(r"^8080\S*: (freed|free already)", plain(run.out), re.M):
            wrong.append("FALSE FREE: says so")
    # Whoever reads may have enough.
    is_unread = fault and fault.name in ("write", "writev") and fault.error == "EPIPE"
    if not situation.frees and run.code == 0 and situation.says not in run.out and not is_unread:
        wrong.append("FALSE FREE: not shown")
    if run.code not in ((0, 1, 129, 130) if situation.keys else (0, 1)) and not wrong and not is_memory and not is_interrupted:
        # The folder is a part of the command line, and without a terminal a port has to be named there.
        if not (run.code == 2 and ("--in" in run.err or (name == "pick" and fault.name == "ioctl" and "no port is named" in run.err))):
            wrong.append(f"ODD exit {run.code}")
    says_nothing = not run.err.strip() and "--json" not in situation.arguments
    if run.code == 1 and says_nothing and not (fault and fault.name in ("write", "writev")):
        wrong.append("SILENT")
    if run.code == 1 and not is_memory and not situation.keys and "error:" not in run.err and '"message":' not in run.out and not (fault and fault.name in ("write", "writev")):
        wrong.append("NO ERROR LINE")
    return wrong


def execute(situation, scene, fault, usual):
    command = [PROGRAM] + [argument.format(FOLDER) for argument in situation.arguments]
    return Run(command, situation.base, fault, situation.prepare, situation.keys, reaped, scene.caller, usual)


def positions(count, error, is_each):
    some = range(1, count + 1) if is_each else sorted({n for n in (1, 2, 3, (count + 1) // 2, count) if n <= count})
    every = "odd" if error in ("EINTR", "EAGAIN") else "1+"
    later = [f"{count // 2 + 1}+"] if count > 3 and every == "1+" else []
    return [str(n) for n in some] + [every] + later


def product(name, counts):
    for call, count in sorted(counts.items()):
        for error in CALLS[NUMBERS[call]][1].split():
            for position in positions(count, error, SITUATIONS[name].is_each):
                if error == "short" and call not in ROOM:
                    continue
                yield name, call, error, position


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def normal(text):
    return re.sub(r"\d+", "N", plain(text))


def main():
    global PROGRAM, FOLDER, ENVIRONMENT
    mode, PROGRAM, FOLDER, seed, index, of, log = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), int(sys.argv[6]), sys.argv[7]
    ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent", "TERM": "xterm"}
    FOLDER = f"{FOLDER}/{index}"
    ENVIRONMENT["DOCKER_HOST"] = f"unix://{FOLDER}/engine.sock"
    for folder in ("in", "out"):
        os.makedirs(f"{FOLDER}/{folder}", exist_ok=True)
    # Nobody has brought up the loopback of this network namespace.
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
    signalled = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, lambda number, _: signalled.append(number))
    names = list(SITUATIONS)
    chosen, usual, calls, described = [], {}, set(), open("docs/faults.md").read()
    is_one = " " in mode
    for name in names if mode in ("all", "sample", "clean") else mode.split()[0].split(","):
        situation = SITUATIONS[name]
        scene = situation.scene()
        run = execute(situation, scene, None, float("inf"))
        wrong = judge(name, situation, scene, run, None)
        clear(scene)
        usual[name] = sum(run.counts.values())
        if mode == "clean":
            print(f"== {name}: exit {run.code}, {run.took:.2f} s, {usual[name]} calls of {len(run.counts)} kinds; {wrong}\n{run.out}{run.err}")
        elif wrong:
            sys.exit(f"{name} goes wrong without any fault: {wrong}\n{run.out}{run.err}")
        calls |= set(run.counts)
        if unknown := [call for call in run.counts if f"`{call}`" not in described]:
            sys.exit(f"docs/faults.md has no row for {unknown}")
        chosen += product(name, run.counts)
    if mode == "clean":
        print(len(chosen), "faults;", " ".join(sorted(calls)))
        return
    if is_one:
        chosen = [tuple(mode.split())]
    else:
        # Each worker counts calls itself, and may count others.
        chosen = [fault for fault in chosen if crc32(" ".join(fault[:3]).encode()) % of == index]
        if mode == "sample":
            random.Random(seed).shuffle(chosen)
            chosen = chosen[: int(os.environ.get("CHAOS_RUNS", "3000")) // of]
        chosen.sort(key=lambda fault: names.index(fault[0]))
    faults, missed, tally, scene, before = 0, 0, {}, None, None
    for count, (name, call, error, position) in enumerate(chosen):
        situation = SITUATIONS[name]
        if name != before:
            if scene:
                clear(scene)
                scene = None
            if mode != "sample":
                print(f"{index}: {count} of {len(chosen)}, {time.strftime('%H:%M:%S')}: {name}", flush=True)
        before = name
        scene = scene or situation.scene()
        fault = Fault(call, error, position)
        run = execute(situation, scene, fault, usual[name])
        wrong = judge(name, situation, scene, run, fault)
        if signalled:
            wrong.append(f"WRONG SIGNAL to an ancestor: {signalled}")
            signalled.clear()
        missed += not fault.hits
        if wrong or is_one:
            print(f"FAULT {name} {call} {error} {position}: {'; '.join(wrong)} (exit {run.code}, {run.took:.1f} s) at {run.where}\n{normal(run.out) if not is_one else run.out}{run.err}", flush=True)
        faults += bool(wrong)
        key = (name, run.code, normal(run.err)[-600:])
        tally.setdefault(key, []).append(f"{call} {error} {position} {run.took:.1f}")
        if wrong or any(dead(pid) for pid in scene.watched) or name in ("stopped", "leftover", "supervisor", "returning", "tree"):
            clear(scene)
            scene = None
    if scene:
        clear(scene)
    if log != "-":
        with open(f"{log}.{index}", "w") as file:
            for (name, code, text), which in sorted(tally.items(), key=str):
                print(f"### {name} exit {code}, {len(which)} times: {', '.join(which[:6])}\n{text}", file=file)
    print(f"{index}: {len(chosen)} runs, {len({c[0] for c in chosen})} situations, {len({c[1] for c in chosen})} calls, {missed} not reached, {faults} faults", flush=True)
    sys.exit(faults > 0)


main()
