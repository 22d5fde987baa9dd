#!/bin/sh
# Build sudo-x86_64 and sudo-aarch64 from sudo.c, into this folder or the one named.
#
# usage: build.sh [--version] [DIR]
#
# The two files are committed, and come out the same, byte for byte, from the same major
# version of gcc: --version prints which. For the other machine type than this one's it
# takes a cross compiler, on Debian gcc-aarch64-linux-gnu (or gcc-x86-64-linux-gnu).
set -eu
gcc_version=12
if [ "${1-}" = --version ]; then
    echo "$gcc_version"
    exit
fi
here=$(cd "$(dirname "$0")" && pwd)
to=${1:-$here}
cd "$here"
for machine in x86_64 aarch64; do
    compiler=$machine-linux-gnu-gcc
    if [ "$machine" = "$(uname -m)" ]; then compiler=gcc; fi
    # What distributions switch on by default is switched off by name: it differs between
    # them, and needs a C library.
    "$compiler" -std=c11 -Os -Wall -Wextra -Werror \
        -ffreestanding -fno-builtin -nostdlib -static -fno-pic -no-pie \
        -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables -fno-ident \
        -fno-tree-loop-distribute-patterns -ffile-prefix-map="$here"=. \
        -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,noseparate-code -Wl,-z,norelro -s \
        -o "$to/sudo-$machine" sudo.c
done
