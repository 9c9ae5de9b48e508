#!/usr/bin/env python3
"""core is deterministic: its libraries leave no system call, clock, thread, file, environment or randomness for the
linker to find. Usage: core_symbols.py LIBRARY.a...

libsodium's, GnuTLS's and ipsec-mb's functions are fine: they are pure, but for those that draw randomness themselves.
"""

import re
import subprocess
import sys

import tree

DENIED = re.compile(
    r"^(?:__)?(?:"
    # files and descriptors
    r"open|openat|creat|close|read|write|pread|pwrite|readv|writev|lseek|ioctl|fcntl|dup[23]?|pipe2?|mmap|unlink|rename"
    r"|fopen|fdopen|fclose|fread|fwrite|fputs|fprintf|printf|puts|putchar|vprintf|vfprintf|stdout|stderr|syscall"
    # sockets and readiness
    r"|socket|bind|connect|listen|accept4?|send(?:to|msg|mmsg)?|recv(?:from|msg|mmsg)?|[gs]etsockopt|getaddrinfo"
    r"|if_nametoindex|poll|ppoll|select|pselect|epoll_\w+|eventfd|timerfd_\w+|signalfd"
    # clocks and sleep
    r"|time|clock|clock_\w+|gettimeofday|localtime(?:_r)?|gmtime(?:_r)?|mktime|nanosleep|usleep|sleep|alarm"
    r"|std::chrono::.*::now\(\)"
    # threads and locks
    r"|pthread_\w+|std::(?:jthread|thread|mutex|condition_variable|this_thread)\b.*|thrd_\w+|sem_\w+"
    # processes, signals, environment
    r"|fork|vfork|execv\w*|execl\w*|system|popen|kill|signal|sigaction|getpid|getenv|secure_getenv|setenv|putenv"
    r"|gethostname|uname"
    # randomness
    r"|rand|rand_r|srand|random|srandom|drand48|arc4random\w*|getrandom|getentropy|std::random_device.*"
    r"|randombytes\w*|crypto_\w*_keygen|crypto_\w*keypair|crypto_box_seal|gnutls_rnd|gnutls_privkey_generate\w*"
    r"|gnutls_x509_privkey_generate\w*"
    # streams
    r"|std::(?:cout|cerr|clog|cin)|std::basic_[io]?f(?:stream|ilebuf).*|std::filesystem::.*"
    r")(?:_chk)?(?:@.*)?$"
)

# Pure forms of the above: the seed is an argument.
ALLOWED = re.compile(r"^crypto_(?:sign|box|kx)_seed_keypair$")


# A failed ROVE_CHECK says where, then aborts.
MEMBER_EXCEPTIONS = {"check.cpp.o": {"fprintf", "__fprintf_chk", "fputs", "stderr"}}


def main():
    libraries = [path for path in sys.argv[1:] if path.endswith(".a")]
    problems = []
    checked = 0
    for library in libraries:
        listing = subprocess.run(["nm", "-uC", library], check=True, capture_output=True, text=True).stdout
        member = library
        for line in listing.splitlines():
            if line.endswith(".o:"):
                member = line[:-1]
            match = re.match(r"^\s+[Uwv] (.*)$", line)
            if not match:
                continue
            checked += 1
            symbol = match.group(1)
            if symbol in MEMBER_EXCEPTIONS.get(member, ()) or ALLOWED.match(symbol):
                continue
            if DENIED.match(symbol):
                problems.append(f"{library.rsplit('/', 1)[-1]}({member}): {symbol}")
    tree.finish(sorted(set(problems)), checked)


main()
