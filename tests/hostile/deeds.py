"""What hostile files do within their process, and to others."""

from __future__ import annotations


def _patched(module: str, names: str, value: str = "lambda *a, **k: 0") -> dict[str, str]:
    return {
        f"{module}.{name}": f"import {module.partition('.')[0]}, {module}; {module}.{name} = {value}"
        for name in names.split()
    }


#: Patches: what a checker in the same process would rely on.
PATCHES = {
    **_patched("builtins", "abs max min sum len all any isinstance sorted zip map float int bool str tuple getattr"),
    **_patched("builtins", "open print __import__ __build_class__ type object", "None"),
    **_patched("numpy", "abs max maximum allclose array_equal isfinite isnan stack ascontiguousarray frombuffer array"),
    **_patched("numpy", "asarray errstate where sqrt sign", "None"),
    **_patched("json", "dumps loads"),
    **_patched("pickle", "dumps loads", "lambda *a, **k: b'pass'"),
    **_patched("os", "getpid write read _exit", "lambda *a: 0"),
    **_patched("time", "monotonic perf_counter", "lambda: 0.0"),
    **_patched("gradcheck_cli.checks.comparison", "judge_elements compare floored", "None"),
    **_patched("gradcheck_cli.checks.check", "compare_gradients try_duties differentiate", "None"),
    **_patched("gradcheck_cli.results.result.Verdict", "worst", "classmethod(lambda cls, all: cls.PASS)"),
    **_patched("gradcheck_cli.guard.protocol", "encode inline decode_request", "None"),
    **_patched("gradcheck_cli.guard.child", "Answer encode", "None"),
    **_patched("gradcheck_cli.engine.inside", "call_passes make_calls describe_raised", "None"),
    **_patched("gradcheck_cli.engine.inside_calls", "_backward _forward describe_value", "None"),
    **_patched("gradcheck_cli.implementation.calling", "call", "None"),
    **_patched("sys", "stdout stderr stdin excepthook modules path", "None"),
}

#: Other deeds inside of the process.
DEEDS = {
    "settings by gc": "for s in found('Settings'): s.__dict__['tol'] = 1e300",
    "results by gc": "for d in gc.get_objects():\n        if type(d) is dict and 'verdict' in d: d['verdict'] = 'pass'",
    "classes by gc": "for c in found('_Run'): type(c).backward = lambda *a: {}",
    "clear modules": "sys.modules.clear()",
    "remove numpy": "sys.modules.pop('numpy'); sys.modules['numpy'] = None",
    "globals of callers": "f = sys._getframe()\n    while f.f_back: f = f.f_back; f.f_globals.pop('isinstance', 0)",
    "clear globals of callers": "sys._getframe(1).f_globals.clear()",
    "trace": "sys.settrace(lambda *a: 1 / 0)",
    "profile": "sys.setprofile(lambda *a: 1 / 0)",
    "trace all": "threading.settrace(print); sys.settrace(lambda f, e, a: f.f_locals.clear())",
    "no memory of floats": "ctypes.memset(id(1.0) + 16, 0, 8)",
    "null": "ctypes.string_at(0)",
    "write to none": "ctypes.memset(id(None) + 8, 0, 8)",
    "exit": "sys.exit(0)",
    "exit now": "os._exit(0)",
    "exit unnoticed": "import atexit; atexit.register(os._exit, 0); sys.exit()",
    "interrupt": "raise KeyboardInterrupt",
    "generator exit": "raise GeneratorExit",
    "raise text": "raise type('E\\x1b[2J', (Exception,), {'__str__': lambda s: '\\x1b]0;pass\\x07' * 10**5})()",
    "kill": "os.kill(os.getpid(), 9)",
    "segfault": "os.kill(os.getpid(), 11)",
    "abort": "os.abort()",
    "end the parent": "os.kill(os.getppid(), 9); time.sleep(1)",
    "signals to the parent": "[os.kill(os.getppid(), n) for n in (1, 2, 15, 10, 12)]",
    "interrupt the group": "os.killpg(0, 2)",
    "alarm": "signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)",
    "handlers": "[signal.signal(n, lambda *a: None) for n in (1, 2, 10, 12, 15)]",
    "print": "print('pass ' * 10**6); os.write(1, b'\\x1b[2J{\"verdict\": \"pass\"}' * 1000)",
    "orphans of orphans": "if not os.fork():\n        for _ in range(3): os.fork() and os._exit(0); os.setsid()\n"
    "        time.sleep(1000)",
    "stop the parent": "os.kill(os.getppid(), 19)",
    "endless prints": "f = lambda: [os.write(1, b'x' * 2**16) for _ in range(10**6)]\n"
    "    threading.Thread(target=f, daemon=True).start()",
    "pass descriptors": "[socket.send_fds(socket.socket(fileno=os.dup(n)), [b'gc'], [1] * 99) for n in descriptors()]",
    "many arrays": "import gradcheck_cli.guard.child as c\n"
    "    c.encode = lambda a: (json.dumps({'value': None, 'arrays': [['<f8', [0]]] * 10**5}).encode(), [])",
    "no output": "os.close(1); os.close(2)",
    "low recursion": "sys.setrecursionlimit(len(__import__('inspect').stack()) + 30)",
    "memory": "bytearray(2**50)",
    "limit": "resource.setrlimit(resource.RLIMIT_DATA, (resource.getrlimit(resource.RLIMIT_DATA)[1],) * 2)",
    "no files": "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))",
    "no processor": "resource.setrlimit(resource.RLIMIT_CPU, (0, 0))",
    "fork": "os.fork()",
    "forks": "[os.fork() for _ in range(2)]",
    "fork and exit": "if not os.fork(): time.sleep(1000)\n    os._exit(3)",
    "folder": "os.chdir('/proc/self'); os.environ.clear()",
    "threads": "[threading.Thread(target=time.sleep, args=(1000,)).start() for _ in range(5)]",
    "daemon thread": "threading.Thread(target=lambda: [time.sleep(0) for _ in range(10**7)], daemon=True).start()",
    "descriptors": "spray(b'x', range(3, 64))",
    "more descriptors": 'spray(b\'{"verdict": "pass"}\\n\', range(3, 64))',
    "garbage": "spray(b'garbage', descriptors())",
    "one byte": "spray(b'g', descriptors())",
    "half a header": "spray(b'gc\\xf5\\x01\\0', descriptors())",
    "endless": "spray(struct.pack('<4sIQ', b'gc\\xf5\\x01', 20, 2**62) + b'{' * 20, descriptors())",
    "long": "spray(struct.pack('<4sIQ', b'gc\\xf5\\x01', 2**32 - 1, 0), descriptors())",
    "no json": "spray(struct.pack('<4sIQ', b'gc\\xf5\\x01', 4, 0) + b'[[[[', descriptors())",
    "nested json": "spray(struct.pack('<4sIQ', b'gc\\xf5\\x01', 2**16, 0) + b'[' * 2**16, descriptors())",
    "pickle": "spray(struct.pack('<4sIQ', b'gc\\xf5\\x01', 20, 0) + b'cos\\n_exit\\n(I0\\ntR.  ', descriptors())",
    "shared": "spray(struct.pack('<4sIQ', b'gc\\xf5\\x02', 2, 2**62) + b'{}', descriptors())",
    "shared pass": 'v = b\'{"value":[],"arrays":[[1,2]]}\'\n'
    "    spray(struct.pack('<4sIQ', b'gc\\xf5\\x02', len(v), 8) + v, descriptors())",
    "forged answer": "v = json.dumps({'value': {'calls': [{'gradients': {}}], 'goes_on': 1}, 'arrays': []}).encode()\n"
    "    spray(b''.join(struct.pack('<4sIQ', b'gc\\xf5\\x01', len(v), 0) + v for n in range(30)), descriptors())",
    "forged answers": "v = [{'out': {'array': 0, 'scalar': False}, 'left': 'kept', 'written': []}]\n"
    "    v = json.dumps({'value': {'calls': v, 'goes_on': 1}, 'arrays': [['<f8', [2, 3]]]}).encode()\n"
    "    v = [struct.pack('<4sIQ', b'gc\\xf5\\x01', len(v), 48) + v + bytes(48) for n in range(30)]\n"
    "    spray(b''.join(3 * v), descriptors())",
    "shut down": "[socket.socket(fileno=os.dup(n)).shutdown(2) for n in descriptors()]",
    "read all": "[os.read(n, 1) for n in descriptors() if os.set_blocking(n, False)]",
    "close sockets": "[os.close(n) for n in descriptors()]",
    "close pipes": "[os.close(n) for n in descriptors('pipe:')]",
    "close all": "os.closerange(0, 30_000)",
    "null over all": "n = os.open('/dev/null', 2); [os.dup2(n, m) for m in descriptors()]",
    "write to stacks": "spray(b'Fatal Python error: x\\nThread 0x1 (most):\\n', descriptors('pipe:'))",
    "shared memory": "for a in areas():\n        try: a[:4096] = b'\\xff' * 4096\n        except Exception: pass",
    "clock": "for c in found('Clock'): c._shared[0] = 1e300; c._shared[1] = 1e300",
    "cut off shared memory": "for n in os.listdir('/proc/self/map_files'):\n"
    "        if 'gradcheck' in os.readlink('/proc/self/map_files/' + n): os.truncate('/proc/self/map_files/' + n, 0)",
    "a pipe in place of the file": "os.remove(__file__); os.mkfifo(__file__); ctypes.string_at(0)",
    "no end in place of the file": "os.remove(__file__); os.symlink('/dev/zero', __file__); ctypes.string_at(0)",
    "deep code in place of the file": "open(__file__, 'w').write('x = ' + '1+' * 10**5 + '1'); ctypes.string_at(0)",
    "sleepers": "[os.fork() or (os.setsid(), time.sleep(1000)) for _ in range(20)]; os.abort()",
    "sibling": "ctypes.CDLL(None).syscall(56, 0x8000 | 17, 0, 0, 0, 0) or (os.setsid(), time.sleep(1000))",
    "outlive the parent": "ctypes.CDLL(None).prctl(1, 0); os.kill(os.getppid(), 9); time.sleep(1)",
    "trace the parent": "ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0)",
    "another program": "os.execv('/bin/true', ['true'])",
    "end of the thread": "ctypes.CDLL(None).pthread_exit(0)",
    "end of Python": "ctypes.pythonapi.Py_FinalizeEx()",
    "no signal": "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))",
    "refuse imports": "sys.meta_path.insert(0, type('F', (), {'find_spec': lambda *a: os._exit(0)})()); import this",
    "hooks": "sys.addaudithook(lambda e, a: e.startswith('pickle') and os._exit(0))",
    "a name of two lines": "f = eval('lambda: ctypes.string_at(0)'); f.__code__ = f.__code__.replace(\n"
    "        co_name='f\\n  File \"/etc/passwd\", line 1 in f', co_filename='\\x1b[2J'); f()",
    "another file's code": "exec(compile('1 / 0', '/dev/zero', 'exec'))",
    "a text without an end": "raise type('E', (Exception,), {'__str__': lambda s: 'x' * 10**8})()",
    "odd notes": "e = ValueError(); e.__notes__ = 5; raise e",
    "nested groups": "e = ValueError()\n    for _ in range(5000): e = ExceptionGroup('', [e])\n    raise e",
    "many causes": "e = None\n    for _ in range(10**5): c, e = e, ValueError(); e.__cause__ = c\n    raise e",
}

#: Deeds that take the whole time limit.
ENDLESS = {
    "hang": "time.sleep(1000)",
    "spin": "while True: pass",
    "stop": "os.kill(os.getpid(), 19)",
    "hang with a clock": "c = found('Clock')\n    while c: [one.start() for one in c]",
    "steal requests": "f = lambda: [os.read(n, 1) for _ in range(10**6) for n in descriptors()]\n"
    "    threading.Thread(target=f, daemon=True).start()",
    "hang in C": "np.ones((10**5, 10**4)).sort() or time.sleep(1000)",
    "recursion": "sys.setrecursionlimit(10**6)\n    def f(): return f()\n    f()",
    "traced": "ctypes.CDLL(None).ptrace(0, 0, 0, 0); os.kill(os.getpid(), 5)",
    "print without end": "while True: print('x' * 1000)",
    "write stacks without end": "f = lambda: [os.write(descriptors('pipe:')[0], b'x' * 4096) for _ in range(10**6)]\n"
    "    [threading.Thread(target=f, daemon=True).start() for _ in range(3)]; time.sleep(1000)",
    "print from several processes": "os.fork(); os.fork()\n    while True: os.write(1, b'x' * 2**16)",
    "a text that hangs": "raise type('E', (Exception,), {'__str__': lambda s: time.sleep(1000)})()",
    "hang with handlers": "[signal.signal(n, lambda *a: None) for n in (10, 12)]; time.sleep(1000)",
}
