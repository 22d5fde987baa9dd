#!/bin/sh
# Build sudo-x86_64 and sudo-aarch64 from sudo.c into this folder, where they are committed.
#
# usage: build.sh [--to DIR] [MACHINE...]
#        build.sh --gcc-version
#
# The same major version of gcc makes the same files, byte for byte; --gcc-version prints
# the one that made those committed. For a machine type other than this machine's it takes
# a cross compiler: on Debian, gcc-aarch64-linux-gnu or gcc-x86-64-linux-gnu.
set -eu
cd "$(dirname "$0")"
to=.
case ${1-} in
--gcc-version)
    echo 12
    exit
    ;;
--to)
    to=$2
    shift 2
    ;;
esac
[ $# -gt 0 ] || set -- x86_64 aarch64
for machine; do
    compiler=$machine-linux-gnu-gcc
    if [ "$machine" = "$(uname -m)" ]; then compiler=gcc; fi
    # What distributions switch on by default is switched off by name: it differs between
    # them, and some of it needs a C library.
    "$compiler" -std=c11 -Os -Wall -Wextra -Werror \
        -ffreestanding -fno-builtin -nostdlib -static -fno-pic -no-pie \
        -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables -fno-ident \
        -fno-tree-loop-distribute-patterns \
        -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,noseparate-code -Wl,-z,norelro -s \
        -o "$to/sudo-$machine" sudo.c
done
