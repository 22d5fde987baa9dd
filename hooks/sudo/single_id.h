/*
 * Root where a box has no id but its user's (single-id mode, docs/boxes.md).
 *
 * Nothing can be set-uid there: the only owner a file can have is the user. Root is the user
 * in a child namespace that calls the same id 0; it holds every capability over that
 * namespace, and so over all files of the box. What it cannot do is give a file, or itself,
 * another id: the kernel says EINVAL to an id that has no meaning. Package managers do both
 * all the time (root:shadow, _apt), and stop at the first refusal. So a seccomp filter answers
 * these calls in the kernel's place: success, and nothing is done. Calls that name no
 * other ids than root's still reach the kernel, and fail as they should.
 *
 * What is faked: the families of chown and setuid, and setgroups, which is forbidden in a
 * namespace that was mapped without privilege. Charliecloud and others do the same.
 */

enum { /* from the kernel's headers: sched.h, prctl.h, seccomp.h, bpf_common.h, audit.h */
    CLONE_NEWUSER = 0x10000000, O_RDONLY = 0, O_WRONLY = 1, PR_SET_SECCOMP = 22, SECCOMP_MODE_FILTER = 2,
    BPF_LD_W_ABS = 0x20, BPF_JEQ_K = 0x15, BPF_RET_K = 0x06,
    DATA_NR = 0, DATA_ARCH = 4, DATA_ARGS = 16, /* offsets in struct seccomp_data; little-endian */
};
#define SECCOMP_RET_ALLOW 0x7fff0000U
#define SECCOMP_RET_SUCCESS 0x00050000U /* SECCOMP_RET_ERRNO with errno 0 */

/* A call that is faked when one of the `count` arguments from `first` on is an id that is neither
   0 nor -1, "leave it"; without arguments it is always faked. */
struct call {
    unsigned short number;
    unsigned char first, count;
};

#if defined(__x86_64__)
#define NATIVE_ARCH 0xc000003eU
#define COMPAT_ARCH 0x40000003U /* i386 */
#define COMPAT_FCHOWNAT 298
static const struct call native_calls[] = {
    {92, 1, 2},  /* chown */     {93, 1, 2},  /* fchown */    {94, 1, 2},  /* lchown */
    {260, 2, 2}, /* fchownat */  {105, 0, 1}, /* setuid */    {106, 0, 1}, /* setgid */
    {113, 0, 2}, /* setreuid */  {114, 0, 2}, /* setregid */  {116, 0, 0}, /* setgroups */
    {117, 0, 3}, /* setresuid */ {119, 0, 3}, /* setresgid */
};
#elif defined(__aarch64__)
#define NATIVE_ARCH 0xc00000b7U
#define COMPAT_ARCH 0x40000028U /* arm */
#define COMPAT_FCHOWNAT 325
static const struct call native_calls[] = {
    {54, 2, 2},  /* fchownat */ {55, 1, 2},  /* fchown */   {143, 0, 2}, /* setregid */
    {144, 0, 1}, /* setgid */   {145, 0, 2}, /* setreuid */ {146, 0, 1}, /* setuid */
    {147, 0, 3}, /* setresuid */ {149, 0, 3}, /* setresgid */ {159, 0, 0}, /* setgroups */
};
#endif

/* Of 32-bit programs, which images of i386 and armhf are full of. The calls with ids of 16 bits, which
   only C libraries of the last century use, reach the kernel. */
static const struct call compat_calls[] = {
    {212, 1, 2}, /* chown32 */     {207, 1, 2}, /* fchown32 */  {198, 1, 2}, /* lchown32 */
    {COMPAT_FCHOWNAT, 2, 2},       {213, 0, 1}, /* setuid32 */  {214, 0, 1}, /* setgid32 */
    {203, 0, 2}, /* setreuid32 */  {204, 0, 2}, /* setregid32 */ {206, 0, 0}, /* setgroups32 */
    {208, 0, 3}, /* setresuid32 */ {210, 0, 3}, /* setresgid32 */
};

struct instruction { /* struct sock_filter */
    unsigned short code;
    unsigned char if_true, if_false;
    unsigned int k;
};

struct program { /* struct sock_fprog */
    unsigned short length;
    struct instruction *first;
};

static void emit(struct program *program, int code, unsigned int k, int if_true, int if_false)
{
    program->first[program->length++] = (struct instruction){code, if_true, if_false, k};
}

static void emit_call(struct program *program, const struct call *call)
{
    emit(program, BPF_JEQ_K, call->number, 0, call->count ? 4 * call->count + 1 : 1);
    for (int i = 0; i < call->count; i++) {
        emit(program, BPF_LD_W_ABS, DATA_ARGS + 8 * (call->first + i), 0, 0);
        emit(program, BPF_JEQ_K, 0, 2, 0);
        emit(program, BPF_JEQ_K, ~0U, 1, 0);
        emit(program, BPF_RET_K, SECCOMP_RET_SUCCESS, 0, 0);
    }
    emit(program, BPF_RET_K, call->count ? SECCOMP_RET_ALLOW : SECCOMP_RET_SUCCESS, 0, 0);
}

static void emit_calls(struct program *program, unsigned int arch, const struct call *calls, int count)
{
    emit(program, BPF_LD_W_ABS, DATA_ARCH, 0, 0);
    emit(program, BPF_JEQ_K, arch, 0, 0);
    struct instruction *jump = &program->first[program->length - 1];
    emit(program, BPF_LD_W_ABS, DATA_NR, 0, 0);
    while (count--)
        emit_call(program, calls++);
    emit(program, BPF_RET_K, SECCOMP_RET_ALLOW, 0, 0);
    jump->if_false = &program->first[program->length - 1] - jump;
}

/* From here on, ids that this namespace does not have are given and taken in appearance only. */
static void fake_ids(void)
{
    if (CALL2(setgroups, 0, 0) == 0)
        return; /* it is forbidden here, so a sudo above us has done this */
    struct program program = {0, allocate(4096)};
    emit_calls(&program, NATIVE_ARCH, native_calls, sizeof native_calls / sizeof *native_calls);
    emit_calls(&program, COMPAT_ARCH, compat_calls, sizeof compat_calls / sizeof *compat_calls);
    emit(&program, BPF_RET_K, SECCOMP_RET_ALLOW, 0, 0);
    long error = CALL3(prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    if (error)
        fail("cannot fake other users' ids", "", error);
}

/* The only id of this namespace, of the kind whose map is `path`, and what it is outside; false if it has more. */
static int find_single_id(const char *path, unsigned int *inside, unsigned int *outside)
{
    char text[128];
    long fd = CALL3(openat, AT_FDCWD, path, O_RDONLY), bytes = -1;
    if (fd >= 0) {
        bytes = CALL3(read, fd, text, sizeof text - 1);
        CALL1(close, fd);
    }
    unsigned long numbers[3] = {0, 0, 0};
    int lines = 0, field = -1, in_number = 0;
    for (long i = 0; i < bytes; i++) {
        int is_digit = text[i] >= '0' && text[i] <= '9';
        if (is_digit && !in_number && ++field > 2)
            return 0;
        if (is_digit)
            numbers[field] = numbers[field] * 10 + (text[i] - '0');
        in_number = is_digit;
        lines += text[i] == '\n';
    }
    *inside = numbers[0];
    *outside = numbers[1];
    return lines == 1 && numbers[2] == 1;
}

static int has_single_id(void)
{
    unsigned int inside, outside;
    return find_single_id("/proc/self/uid_map", &inside, &outside);
}

static void write_map(const char *path, const char *text)
{
    long fd = CALL3(openat, AT_FDCWD, path, O_WRONLY);
    long error = fd < 0 ? fd : CALL3(write, fd, text, length(text));
    if (error < 0)
        fail("cannot write ", path, error);
    CALL1(close, fd);
}

/* "INSIDE OUTSIDE 1" at `line`, as user_namespaces(7) has it. */
static const char *map_line(char *line, unsigned long inside, unsigned long outside)
{
    char *end = put_number(line, inside);
    *end++ = ' ';
    end = put_number(end, outside);
    *end++ = ' ';
    *end++ = '1';
    *end = 0;
    return line;
}

/* Move on into a child namespace, where our only id goes by another number. */
static void rename_ids(unsigned int uid, unsigned int gid)
{
    unsigned long now_uid = CALL0(getuid), now_gid = CALL0(getgid);
    long error = CALL1(unshare, CLONE_NEWUSER);
    if (error)
        fail("cannot become another user: no further user namespace can be made", "", error);
    write_map("/proc/self/setgroups", "deny");
    char *line = allocate(64);
    write_map("/proc/self/uid_map", map_line(line, uid, now_uid));
    write_map("/proc/self/gid_map", map_line(line, gid, now_gid));
}

/* Take the ids that root has asked for: its own, or those of the user who became root. */
static void take_single_id(unsigned int uid, unsigned int gid)
{
    unsigned int inside, user, group;
    if (uid == 0 && gid == 0) {
        fake_ids();
        return;
    }
    if (find_single_id("/proc/self/uid_map", &inside, &user) && uid == user &&
        find_single_id("/proc/self/gid_map", &inside, &group) && gid == group) {
        rename_ids(uid, gid);
        return;
    }
    fail("this box has no users but you and root (single-id mode; on the host, `dacha doctor` says more)", "", 0);
}
