/*
 * sudo for boxes whose image brings none: becomes the box's root, and runs sudo.sh.
 *
 * It stands at /usr/bin/sudo, owned by the box's root, group the user's, mode 4750: the
 * user of the box and root may run it, nobody else. It asks for no password and reads no
 * sudoers, for the box belongs to its user; that is no boundary inside the box. Freestanding,
 * so that one file per machine type serves every image, whatever C library that has.
 *
 * In a box whose only id is its user's, no program can be set-uid: there it lies with mode 755,
 * and becomes root by a user namespace (single_id.h).
 *
 * It runs twice for each command.
 *
 *   sudo ARGS...
 *       Become root and exec "/bin/sh /run/dacha/sudo.sh ARGS...", which understands sudo's
 *       options. The shell starts in an environment of its own, made here. The caller's
 *       waits in a memory file, byte for byte: a shell would lose names that are no
 *       identifiers, obey ENV or LD_PRELOAD, and add variables. The shell is told:
 *         SUDO_UID, SUDO_GID     who called
 *         DACHA_SUDO             where this program is
 *         DACHA_SUDO_ENV         the memory file's descriptor
 *         SHELL, EDITOR, VISUAL, SUDO_EDITOR   as the caller has them
 *
 *   sudo --dacha-become UID GID GROUPS [WORD...] -- PROGRAM ARGS...
 *       For root only: take these ids and exec PROGRAM, a path, with the environment as it
 *       is. GROUPS are numbers with commas between, maybe none; "-" leaves them alone. Ends
 *       with 127 where there is no PROGRAM and 126 where it cannot be run. Of these words
 *       sudo.sh makes use:
 *         @FD            the environment is in this memory file; failures end with 1
 *         +NAME  -NAME   keep, drop a variable of that file; NAME* stands for all that begin
 *                        so; the first word that matches counts, and without one it is
 *                        dropped
 *         =NAME=VALUE    set a variable
 *         ?NAME=VALUE    set a variable, unless it was kept or set
 *         !NAME          what the program sees as its own name
 *         >DIR  ~DIR     change directory, as the new user; after ~ it may fail
 *         #FD            close this descriptor and all above
 *         &              run in the background
 *
 * PROGRAM is run by /bin/sh if the kernel does not know its format, as by any shell.
 */

typedef unsigned long size;

#if defined(__x86_64__)

enum {
    SYS_read = 0, SYS_write = 1, SYS_close = 3, SYS_lseek = 8, SYS_mmap = 9, SYS_clone = 56, SYS_execve = 59, SYS_fcntl = 72, SYS_chdir = 80,
    SYS_umask = 95, SYS_getuid = 102, SYS_getgid = 104, SYS_setgroups = 116, SYS_setresuid = 117,
    SYS_setresgid = 119, SYS_prctl = 157, SYS_exit_group = 231, SYS_openat = 257, SYS_readlinkat = 267,
    SYS_unshare = 272, SYS_memfd_create = 319, SYS_close_range = 436,
};

__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call start");

static long syscall6(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#elif defined(__aarch64__)

enum {
    SYS_fcntl = 25, SYS_chdir = 49, SYS_openat = 56, SYS_close = 57, SYS_lseek = 62, SYS_read = 63, SYS_write = 64,
    SYS_readlinkat = 78, SYS_exit_group = 94, SYS_unshare = 97, SYS_setresuid = 147, SYS_setresgid = 149, SYS_setgroups = 159, SYS_umask = 166,
    SYS_prctl = 167, SYS_getuid = 174, SYS_getgid = 176, SYS_clone = 220, SYS_execve = 221, SYS_mmap = 222,
    SYS_memfd_create = 279, SYS_close_range = 436,
};

__asm__(".globl _start\n_start: mov x0, sp\n bl start");

static long syscall6(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}

#else
#error "which numbers have the system calls of this machine?"
#endif

#define CALL0(n) syscall6(SYS_##n, 0, 0, 0, 0, 0, 0)
#define CALL1(n, a) syscall6(SYS_##n, (long)(a), 0, 0, 0, 0, 0)
#define CALL2(n, a, b) syscall6(SYS_##n, (long)(a), (long)(b), 0, 0, 0, 0)
#define CALL3(n, a, b, c) syscall6(SYS_##n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define CALL4(n, a, b, c, d) syscall6(SYS_##n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

enum { /* from the kernel's headers, the same on both machine types */
    EPERM = 1, ENOENT = 2, E2BIG = 7, ENOEXEC = 8, ENOMEM = 12, EACCES = 13, ENOTDIR = 20, EINVAL = 22,
    ETXTBSY = 26, ENOSPC = 28, ENAMETOOLONG = 36, ELOOP = 40,
    O_RDWR = 2, F_GETFD = 1, SEEK_END = 2, PROT_READ = 1, PROT_WRITE = 2, MAP_PRIVATE = 2, MAP_ANONYMOUS = 32,
    PR_GET_NO_NEW_PRIVS = 39, MFD_NOEXEC_SEAL = 8, SIGCHLD = 17, AT_FDCWD = -100,
};

static int failure_code = 1; /* what this program ends with when it fails */

static size length(const char *text)
{
    size n = 0;
    while (text[n])
        n++;
    return n;
}

static int equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

/* Is `variable` (NAME=VALUE) matched by `pattern` (NAME, or NAME* for all that begin so)? */
static int matches(const char *variable, const char *pattern)
{
    for (; *pattern && *variable == *pattern; variable++, pattern++)
        if (*variable == '=')
            return 1; /* the pattern is a NAME=VALUE itself */
    return (*pattern == '*' && !pattern[1]) || (!*pattern && *variable == '=');
}

static void say(const char *text)
{
    CALL3(write, 2, text, length(text));
}

static const char *reason(long error)
{
    switch (-error) {
    case EPERM: return "Operation not permitted";
    case ENOENT: return "No such file or directory";
    case E2BIG: return "Argument list too long";
    case ENOEXEC: return "Exec format error";
    case ENOMEM: return "Cannot allocate memory";
    case EACCES: return "Permission denied";
    case ENOTDIR: return "Not a directory";
    case EINVAL: return "Invalid argument";
    case ETXTBSY: return "Text file busy";
    case ENOSPC: return "No space left on device"; /* of namespaces: user.max_user_namespaces */
    case ENAMETOOLONG: return "File name too long";
    case ELOOP: return "Too many levels of symbolic links";
    }
    return "unexpected error";
}

static void complain(const char *what, const char *which, long error)
{
    say("sudo: ");
    say(what);
    say(which);
    if (error) {
        say(": ");
        say(reason(error));
    }
    say("\n");
}

static _Noreturn void quit(int code)
{
    for (;;)
        CALL1(exit_group, code);
}

static _Noreturn void fail(const char *what, const char *which, long error)
{
    complain(what, which, error);
    quit(failure_code);
}

static void *map(size bytes, int flags, int fd)
{
    long at = syscall6(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | flags, fd, 0);
    if (at < 0 && at > -4096)
        fail("cannot get memory", "", at);
    return (void *)at;
}

static void *allocate(size bytes)
{
    return map(bytes, MAP_ANONYMOUS, -1);
}

/* Write a number; the place behind it. */
static char *put_number(char *end, unsigned long number)
{
    unsigned long unit = 1;
    while (number / unit >= 10)
        unit *= 10;
    for (; unit; unit /= 10)
        *end++ = '0' + number / unit % 10;
    return end;
}

/* NAME=NUMBER, in new memory. */
static char *number_variable(const char *name, unsigned long number)
{
    char *text = allocate(64), *end = text;
    while (*name)
        *end++ = *name++;
    put_number(end, number);
    return text;
}

/* The number at *text, up to `stop` or the end; *text is moved behind it. */
static unsigned int parse_number(const char **text, char stop)
{
    const char *start = *text, *at = start;
    unsigned long number = 0;
    while (*at >= '0' && *at <= '9' && number < 0xffffffff)
        number = number * 10 + (*at++ - '0');
    if (at == start || number >= 0xffffffff || (*at && *at != stop))
        fail("not a number: ", start, 0);
    *text = *at ? at + 1 : at;
    return number;
}

static unsigned int number_of(const char *text)
{
    return parse_number(&text, '\0');
}

/* Put the caller's environment in a memory file, as it is. */
static long save_environment(char **env)
{
    long fd = CALL2(memfd_create, "sudo-environment", MFD_NOEXEC_SEAL);
    if (fd == -EINVAL) /* before Linux 6.3 */
        fd = CALL2(memfd_create, "sudo-environment", 0);
    if (fd < 0)
        fail("cannot keep the environment", "", fd);
    for (; *env; env++) {
        const char *at = *env, *end = at + length(at) + 1;
        while (at < end) {
            long written = CALL3(write, fd, at, end - at);
            if (written < 0)
                fail("cannot keep the environment", "", written);
            at += written;
        }
    }
    return fd;
}

static int is_kept(const char *variable, char **words)
{
    const char *value = variable;
    while (*value && *value != '=')
        value++;
    if (value[0] == '=' && value[1] == '(' && value[2] == ')')
        return 0; /* a function that bash exported */
    for (; !equal(*words, "--"); words++)
        if ((**words == '+' || **words == '-') && matches(variable, *words + 1))
            return **words == '+';
    return 0;
}

static void set_variable(char **env, char *variable, int replace)
{
    for (; *env; env++)
        if (matches(*env, variable)) {
            if (replace)
                *env = variable;
            return;
        }
    *env = variable; /* the array is zero behind its last */
}

/* The environment from the memory file, with the words of --dacha-become applied. */
static char **restore_environment(int fd, char **words, int count)
{
    long bytes = CALL3(lseek, fd, 0, SEEK_END);
    if (bytes < 0)
        fail("cannot find the environment", "", bytes);
    char *at = bytes ? map(bytes, 0, fd) : 0, *end = at + bytes;
    size variables = 0;
    for (char *c = at; c < end; c++)
        variables += !*c;
    char **env = allocate((variables + count + 1) * sizeof *env), **next = env;
    for (; variables--; at += length(at) + 1)
        if (is_kept(at, words))
            *next++ = at;
    for (; !equal(*words, "--"); words++)
        if (**words == '=' || **words == '?')
            set_variable(env, *words + 1, **words == '=');
    return env;
}

static void set_groups(const char *list)
{
    unsigned int *groups = allocate((length(list) + 1) * sizeof *groups);
    size count = 0;
    while (*list)
        groups[count++] = parse_number(&list, ',');
    long error = CALL2(setgroups, count, groups);
    if (error)
        fail("unable to set supplementary group IDs", "", error);
}

static void change_directory(const char *directory, int must)
{
    long error = CALL1(chdir, directory);
    if (error)
        complain("unable to change directory to ", directory, error);
    if (error && must)
        quit(failure_code);
}

static _Noreturn void run(char *program, char **argv, char **env)
{
    long error = CALL3(execve, program, argv, env);
    if (error == -ENOEXEC) {
        argv[-1] = "sh"; /* become() left a place there */
        argv[0] = program;
        error = CALL3(execve, "/bin/sh", argv - 1, env);
    }
    if (failure_code != 1)
        failure_code = error == -ENOENT ? 127 : 126;
    fail("unable to execute ", program, error);
}

#include "single_id.h"

static _Noreturn void become(int argc, char **argv, char **env)
{
    failure_code = 126;
    if (CALL0(getuid) != 0)
        fail("--dacha-become is for root", "", 0);
    if (argc < 5)
        fail("--dacha-become: ids are missing", "", 0);
    char **words = argv + 5, *name = 0, *directory = 0;
    int count = 0, descriptors_from = -1, background = 0, environment = -1;
    for (; words[count] && !equal(words[count], "--"); count++) {
        char *value = words[count] + 1;
        switch (*words[count]) {
        case '@': environment = number_of(value); failure_code = 1; break;
        case '!': name = value; break;
        case '~':
        case '>': directory = words[count]; break;
        case '#': descriptors_from = number_of(value); break;
        case '&': background = 1; break;
        case '+': case '-': case '=': case '?': break;
        default: fail("--dacha-become: not a word: ", words[count], 0);
        }
    }
    if (!words[count] || !words[count + 1])
        fail("--dacha-become: no program", "", 0);
    if (environment >= 0)
        env = restore_environment(environment, words, count);
    char **command = words + count + 1, *program = command[0];
    if (name)
        command[0] = name;
    unsigned int uid = number_of(argv[2]), gid = number_of(argv[3]);
    if (has_single_id()) {
        take_single_id(uid, gid);
    } else {
        if (!equal(argv[4], "-"))
            set_groups(argv[4]);
        long error = CALL3(setresgid, gid, gid, gid);
        if (error)
            fail("unable to change to runas gid ", argv[3], error);
        error = CALL3(setresuid, uid, uid, uid);
        if (error)
            fail("unable to change to runas uid ", argv[2], error);
    }
    if (directory)
        change_directory(directory + 1, *directory == '>');
    if (descriptors_from >= 0)
        CALL3(close_range, descriptors_from, ~0U, 0);
    if (background) {
        long child = CALL1(clone, SIGCHLD);
        if (child < 0)
            fail("unable to fork", "", child);
        if (child > 0)
            quit(0);
    }
    run(program, command, env); /* command[-1] is the "--" */
}

/* Descriptors 0, 1 and 2 must be open, or the memory file would take the place of one. */
static void open_standard_descriptors(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (CALL2(fcntl, fd, F_GETFD) < 0)
            CALL3(openat, AT_FDCWD, "/dev/null", O_RDWR);
}

static char *own_path(void)
{
    static const char name[] = "DACHA_SUDO=", usual[] = "/usr/bin/sudo";
    char *variable = allocate(sizeof name + 4096), *path = variable + sizeof name - 1;
    for (size i = 0; i < sizeof name; i++)
        variable[i] = name[i];
    long n = CALL4(readlinkat, AT_FDCWD, "/proc/self/exe", path, 4096);
    if (n <= 0 || n == 4096)
        for (n = 0; usual[n]; n++)
            path[n] = usual[n];
    path[n] = 0;
    return variable;
}

static void become_root(void)
{
    if (CALL3(setresgid, 0, 0, 0) == 0 && CALL3(setresuid, 0, 0, 0) == 0)
        return;
    if (has_single_id()) {
        rename_ids(0, 0);
        return;
    }
    if (syscall6(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0, 0) == 1)
        fail("cannot become root: this box forbids new privileges", "", 0);
    fail("cannot become root: this program is not set-uid root, or its file system is mounted nosuid", "", 0);
}

static int is_sudoedit(const char *name)
{
    const char *base = name;
    for (; *name; name++)
        if (*name == '/')
            base = name + 1;
    return equal(base, "sudoedit");
}

static _Noreturn void enter_script(int argc, char **argv, char **env)
{
    static const char *const wanted[] = {"SHELL", "EDITOR", "VISUAL", "SUDO_EDITOR"};
    enum { WANTED = sizeof wanted / sizeof *wanted };
    long uid = CALL0(getuid), gid = CALL0(getgid);
    become_root();
    open_standard_descriptors();
    CALL1(umask, CALL1(umask, 077) | 022); /* as sudo does */

    char **script_env = allocate((WANTED + 8) * sizeof *script_env), **next = script_env;
    *next++ = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    *next++ = "LC_ALL=C"; /* the script sees bytes, not characters */
    *next++ = own_path();
    *next++ = number_variable("SUDO_UID=", uid);
    *next++ = number_variable("SUDO_GID=", gid);
    *next++ = number_variable("DACHA_SUDO_ENV=", save_environment(env));
    *next++ = "SHELL="; /* unset, bash would set it to root's */
    for (; *env; env++)
        for (int i = 0; i < WANTED; i++)
            if (matches(*env, wanted[i]))
                set_variable(script_env, *env, 1);

    char **script = allocate((argc + 4) * sizeof *script), **arg = script;
    *arg++ = "sh";
    *arg++ = "/run/dacha/sudo.sh";
    if (argc && is_sudoedit(argv[0]))
        *arg++ = "-e";
    for (int i = 1; i < argc; i++)
        *arg++ = argv[i];
    fail("cannot run /bin/sh", "", CALL3(execve, "/bin/sh", script, script_env));
}

/* Called by _start, with what the kernel left on the stack: argc, argv, 0, environment, 0. */
_Noreturn __attribute__((used)) void start(long *stack)
{
    int argc = stack[0];
    char **argv = (char **)(stack + 1), **env = argv + argc + 1;
    if (argc > 1 && equal(argv[1], "--dacha-become"))
        become(argc, argv, env);
    enter_script(argc, argv, env);
}
