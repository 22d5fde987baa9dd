#!/bin/sh
# sudo's command line, for boxes whose image brings no sudo of its own.
#
# The program /usr/bin/sudo (sudo.c, see there) runs this as the box's root, from
# /run/dacha/sudo.sh, and does what a shell cannot: this script reads the options, and
# ends by handing user, groups, environment and command back to it. No password is asked
# and no sudoers read: the box belongs to its user. The rest behaves, and says what it
# says, like sudo 1.9 with "ALL=(ALL:ALL) NOPASSWD: ALL", except that
#   -e runs the editor on the file itself, as the target user, not on a copy
#   -C and -D are permitted
#   more of the environment is kept (see `keep` below)
#   accounts are looked up in /etc/passwd and /etc/group and nowhere else
#
# For dash, bash and busybox; of programs it starts only the one that was asked for.
set -fu
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# The variables that a command gets unless -E is given: what sudo keeps by default, and what
# a box needs, such as the proxies of package managers.
keep='+TERM +COLORTERM +COLORS +NO_COLOR +LS_COLORS +DPKG_COLORS +TERMINFO_DIRS +PS1 +PS2
+LANG +LANGUAGE +LINGUAS +LC_* +TZ +DISPLAY +XAUTHORITY +XAUTHORIZATION +WAYLAND_DISPLAY
+XDG_CURRENT_DESKTOP +HOSTNAME +KRB5CCNAME +DEBIAN_FRONTEND +DACHA_BOX +container
+http_proxy +https_proxy +no_proxy +HTTP_PROXY +HTTPS_PROXY +NO_PROXY'
# With -E it gets all but these, which sudo takes away even then.
remove='-IFS -CDPATH -LOCALDOMAIN -RES_OPTIONS -HOSTALIASES -NLSPATH -PATH_LOCALE -LD_* -_RLD*
-TERMINFO -TERMPATH -TERMCAP -ENV -BASH_ENV -PS4 -GLOBIGNORE -BASHOPTS -SHELLOPTS
-JAVA_TOOL_OPTIONS -PERLIO_DEBUG -PERLLIB -PERL5LIB -PERL5OPT -PERL5DB -FPATH -NULLCMD
-READNULLCMD -ZDOTDIR -TMPPREFIX -PYTHONHOME -PYTHONPATH -PYTHONINSPECT -PYTHONUSERBASE
-RUBYLIB -RUBYOPT -USER -LOGNAME -PATH'

die() {
    printf 'sudo: %s\n' "$1" >&2
    exit 1
}

print_usage() {
    printf '%s\n' \
        'usage: sudo -h | -K | -k | -V' \
        'usage: sudo -v [-ABkNnS] [-g group] [-p prompt] [-u user]' \
        'usage: sudo -l [-ABkNnS] [-g group] [-p prompt] [-U user] [-u user] [command [arg ...]]' \
        'usage: sudo [-ABbEHkNnPS] [-C num] [-D directory] [-g group] [-p prompt] [-u user]' \
        '            [VAR=value] [-i | -s] [command [arg ...]]' \
        'usage: sudo -e [-ABkNnS] [-C num] [-D directory] [-g group] [-p prompt] [-u user] file ...'
}

# A command line that means nothing; with or without a word on why.
die_of_usage() {
    [ -z "${1-}" ] || printf 'sudo: %s\n' "$1" >&2
    print_usage >&2
    exit 1
}

print_help() {
    printf 'sudo - execute a command as another user\n\n'
    print_usage
    printf '%s\n' '' 'Options:' \
        '  -b, --background       run command in the background' \
        '  -C, --close-from=num   close all file descriptors >= num' \
        '  -D, --chdir=directory  change the working directory before running command' \
        '  -E, --preserve-env     preserve user environment when running command' \
        '      --preserve-env=list  preserve specific environment variables' \
        '  -e, --edit             edit files instead of running a command' \
        '  -g, --group=group      run command as the specified group name or ID' \
        '  -H, --set-home         set HOME variable to target user'\''s home dir' \
        '  -h, --help             display help message and exit' \
        '  -i, --login            run login shell as the target user; a command may also be specified' \
        '  -l, --list             list user'\''s privileges or check a specific command' \
        '  -P, --preserve-groups  preserve group vector instead of setting to target'\''s' \
        '  -s, --shell            run shell as the target user; a command may also be specified' \
        '  -U, --other-user=user  in list mode, display privileges for user' \
        '  -u, --user=user        run command (or edit file) as specified user name or ID' \
        '  -V, --version          display version information and exit' \
        '  --                     stop processing command line arguments' \
        '' \
        'A box never asks for a password: -A, -B, -K, -k, -N, -n, -p, -S and -v change nothing.'
}

# A shell has one list only, "$@", and that holds the command. Further words are gathered
# in a string, quoted, for `eval` to take apart.
quote() {
    quoted=''
    unquoted=$1
    while :; do
        case $unquoted in
        *\'*)
            quoted="$quoted${unquoted%%\'*}'\\''"
            unquoted=${unquoted#*\'}
            ;;
        *) break ;;
        esac
    done
    quoted="'$quoted$unquoted'"
}

words=''
add() {
    quote "$1"
    words="$words $quoted"
}

# Join a command for a shell's -c: a backslash before all but letters, digits, _, - and $.
join_escaped() {
    joined=''
    for word; do
        while :; do
            plain=${word%%[!a-zA-Z0-9_\$-]*}
            joined=$joined$plain
            word=${word#"$plain"}
            [ -n "$word" ] || break
            tail=${word#?}
            joined="$joined\\${word%"$tail"}"
            word=$tail
        done
        joined="$joined "
    done
    joined=${joined% }
}

# "#007" -> "#7"; all else stays as it is.
normalize() {
    normal=$1
    while :; do
        case $normal in
        '#0'?*) normal="#${normal#??}" ;;
        *) break ;;
        esac
    done
}

# Find the user NAME or #UID and set user, uid, gid, home and shell.
find_user() {
    normalize "$1"
    if [ -r /etc/passwd ]; then
        while IFS=: read -r user _ uid gid _ home shell || [ -n "$user" ]; do
            case $uid in '' | *[!0-9]*) continue ;; esac
            if [ "$user" = "$normal" ] || [ "#$uid" = "$normal" ]; then
                : "${shell:=/bin/sh}"
                return 0
            fi
        done </etc/passwd
    fi
    case $normal in
    root | '#0') user=root uid=0 gid=0 home=/root shell=/bin/sh ;;
    *) return 1 ;;
    esac
}

# Find the group NAME or #GID and set gid.
find_group() {
    normalize "$1"
    [ -r /etc/group ] || return 1
    while IFS=: read -r group _ gid _ || [ -n "$group" ]; do
        case $gid in '' | *[!0-9]*) continue ;; esac
        if [ "$group" = "$normal" ] || [ "#$gid" = "$normal" ]; then return 0; fi
    done </etc/group
    return 1
}

# Add to `groups`, a list with commas, those that name USER as a member.
add_groups_of() {
    [ -r /etc/group ] || return 0
    while IFS=: read -r group _ number members || [ -n "$group" ]; do
        case $number in '' | *[!0-9]*) continue ;; esac
        case ,$members, in
        *,"$1",*) groups=$groups,$number ;;
        esac
    done </etc/group
}

is_program() {
    [ -f "$1" ] && [ -x "$1" ]
}

# Find a command and set `program` to its path.
find_command() {
    program=$1
    case $1 in
    /*) is_program "$1" ;;
    */*) is_program "${directory:+$directory/}$1" ;;
    *)
        tail=$PATH:
        while [ -n "$tail" ]; do
            program=${tail%%:*}/$1
            if is_program "$program"; then return 0; fi
            tail=${tail#*:}
        done
        return 1
        ;;
    esac
}

mode='' background='' directory='' environment='' set_home='' forget='' keep_groups='' timeout='' root=''
start_shell='' target='' target_group='' listed_user='' close_from=3 kept='' variables=''

set_mode() {
    [ -z "$mode" ] || [ "$mode" = "$1" ] ||
        die_of_usage 'Only one of the -e, -h, -i, -K, -l, -s, -v or -V options may be specified'
    mode=$1
}

set_shell() {
    [ -z "$start_shell" ] || [ "$start_shell" = "$1" ] ||
        die_of_usage 'you may not specify both the -i and -s options'
    start_shell=$1
}

# once OLD NEW: an option that may come once, and not empty
once() {
    if [ -n "$1" ] || [ -z "$2" ]; then die_of_usage; fi
}

# The letter of a long option, and whether it takes an argument: no, yes or maybe.
long_option() {
    takes=no
    case $1 in
    --askpass) letter=A ;;
    --background) letter=b ;;
    --bell) letter=B ;;
    --edit) letter=e ;;
    --help) letter=help ;;
    --list) letter=l ;;
    --login) letter=i ;;
    --no-update) letter=N ;;
    --non-interactive) letter=n ;;
    --preserve-env) letter=E takes=maybe ;;
    --preserve-groups) letter=P ;;
    --remove-timestamp) letter=K ;;
    --reset-timestamp) letter=k ;;
    --set-home) letter=H ;;
    --shell) letter=s ;;
    --stdin) letter=S ;;
    --validate) letter=v ;;
    --version) letter=V ;;
    *)
        takes=yes
        case $1 in
        --chdir) letter=D ;;
        --chroot) letter=R ;;
        --close-from) letter=C ;;
        --command-timeout) letter=T ;;
        --group) letter=g ;;
        --host) letter=h ;;
        --other-user) letter=U ;;
        --prompt) letter=p ;;
        --role) letter=r ;;
        --type) letter=t ;;
        --user) letter=u ;;
        *) die_of_usage "unrecognized option '$1'" ;;
        esac
        ;;
    esac
}

# --preserve-env=LIST
preserve() {
    tail=$1,
    while [ -n "$tail" ]; do
        name=${tail%%,*}
        [ -z "$name" ] || {
            quote "+$name"
            kept="$kept $quoted"
        }
        tail=${tail#*,}
    done
}

# option LETTER ARGUMENT
option() {
    case $1 in
    [ABNnprSt]) ;; # about passwords and SELinux
    b) background=yes ;;
    C)
        case $2 in
        '' | *[!0-9]* | ???????*) close_from=0 ;;
        *) close_from=$2 ;;
        esac
        [ "$close_from" -ge 3 ] ||
            die_of_usage 'the argument to -C must be a number greater than or equal to 3'
        ;;
    D)
        once "$directory" "$2"
        directory=$2
        ;;
    E) environment=all ;;
    e) set_mode edit ;;
    g)
        once "$target_group" "$2"
        target_group=$2
        ;;
    H) set_home=yes ;;
    h) die 'a remote host may only be specified when listing privileges.' ;;
    help) set_mode help ;;
    i) set_shell login ;;
    K) set_mode remove ;;
    k) forget=yes ;;
    l) set_mode list ;;
    P) keep_groups=yes ;;
    R) root=$2 ;;
    s) set_shell shell ;;
    T) timeout=$2 ;;
    U)
        once "$listed_user" "$2"
        listed_user=$2
        ;;
    u)
        once "$target" "$2"
        target=$2
        ;;
    V) set_mode version ;;
    v) set_mode validate ;;
    *) die_of_usage "invalid option -- '$1'" ;;
    esac
}

while [ $# -gt 0 ]; do
    case $1 in
    --)
        shift
        break
        ;;
    --*)
        long=${1%%=*}
        long_option "$long"
        value=${1#"$long"}
        shift
        case $takes$value in
        no) option "$letter" '' ;;
        no=*) die_of_usage "option '$long' doesn't allow an argument" ;;
        maybe) option "$letter" '' ;;
        maybe=*) preserve "${value#=}" ;;
        yes=*) option "$letter" "${value#=}" ;;
        yes)
            [ $# -gt 0 ] || die_of_usage "option '$long' requires an argument"
            option "$letter" "$1"
            shift
            ;;
        esac
        ;;
    -?*)
        cluster=${1#-}
        shift
        while [ -n "$cluster" ]; do
            tail=${cluster#?}
            letter=${cluster%"$tail"}
            cluster=$tail
            case $letter in
            [CDghpRrTtUu])
                if [ -n "$cluster" ]; then
                    option "$letter" "$cluster"
                    cluster=''
                elif [ $# -gt 0 ]; then
                    option "$letter" "$1"
                    shift
                elif [ "$letter" = h ]; then
                    option help ''
                else
                    die_of_usage "option requires an argument -- '$letter'"
                fi
                ;;
            *) option "$letter" '' ;;
            esac
        done
        ;;
    /* | =*) break ;;
    *=*)
        quote "=$1"
        variables="$variables $quoted"
        shift
        ;;
    *) break ;;
    esac
done

# -k alone is a mode, too; before a command it is about the password.
[ -z "$forget" ] || [ -n "$mode$start_shell" ] || [ $# -gt 0 ] || exit 0
[ "$start_shell$environment" != loginall ] || die_of_usage 'you may not specify both the -i and -E options'
[ -z "$listed_user" ] || [ "$mode" = list ] ||
    die_of_usage 'the -U option may only be used with the -l option'
case $mode in
edit | help | list | remove | validate | version)
    [ -z "$start_shell" ] ||
        die_of_usage 'Only one of the -e, -h, -i, -K, -l, -s, -v or -V options may be specified'
    ;;
esac
case $mode in
help | remove | validate | version) [ $# -eq 0 ] || die_of_usage ;;
edit) [ $# -gt 0 ] || die_of_usage ;;
'') [ $# -gt 0 ] || [ -n "$start_shell" ] || die_of_usage ;;
esac
case $mode in
help)
    print_help
    exit
    ;;
version)
    printf "Sudo version 1.9 (dacha's, for boxes without a sudo of their own)\\n"
    exit
    ;;
remove) exit ;;
esac

find_user "#$SUDO_UID" || user=$SUDO_UID uid=$SUDO_UID gid=$SUDO_GID home=/ shell=/bin/sh
caller=$user
caller_shell=${SHELL:-$shell}

# With a group and no user the command stays the caller's.
if [ -z "$target" ] && [ -n "$target_group" ]; then
    target="#$SUDO_UID"
else
    find_user "${target:=root}" || die "unknown user $target"
fi
groups=$gid
add_groups_of "$user"
if [ -n "$target_group" ]; then
    find_group "$target_group" || die "unknown group $target_group"
    groups=$gid,$groups
fi
[ -z "$keep_groups" ] || groups=-

[ "$mode" != validate ] || exit 0
if [ "$mode" = list ]; then
    if [ $# -gt 0 ]; then
        find_command "$1" || die "$1: command not found"
        shift
        printf '%s\n' "$program${*:+ $*}"
        exit
    fi
    listed=$caller
    if [ -n "$listed_user" ]; then
        find_user "$listed_user" || die "unknown user $listed_user"
        listed=$user
    fi
    host=box
    [ ! -r /proc/sys/kernel/hostname ] || read -r host </proc/sys/kernel/hostname
    case $listed in
    "$caller" | root)
        printf 'User %s may run the following commands on %s:\n    (ALL : ALL) NOPASSWD: ALL\n' \
            "$listed" "$host"
        ;;
    *) printf 'User %s is not allowed to run sudo on %s.\n' "$listed" "$host" ;;
    esac
    exit
fi

[ -z "$timeout" ] || die 'sorry, you are not allowed set a command timeout'
[ -z "$root" ] || die "you are not permitted to use the -R option with ${1:-$shell}"

own_name=''
case $mode$start_shell in
edit)
    editor=${SUDO_EDITOR:-${VISUAL:-${EDITOR:-vi}}}
    command="sudoedit $*"
    # An editor may be given with arguments.
    # shellcheck disable=SC2086
    set -- $editor -- "$@"
    ;;
login | shell)
    if [ "$start_shell" = shell ]; then
        shell=$caller_shell
    else
        own_name=-${shell##*/}
        directory=${directory:-$home}
    fi
    if [ $# -gt 0 ]; then
        join_escaped "$@"
        set -- -c "$joined"
    fi
    set -- "$shell" "$@"
    ;;
esac
own_name=${own_name:-$1}
find_command "$1" || die "$1: command not found"
shift
[ "$mode" = edit ] || command="$program${*:+ $*}"
# An argument has its limit in the kernel; sudo, too, cuts this one.
[ ${#command} -le 4096 ] || command=$(printf '%.4096s' "$command")

# The first rule that names a variable counts: what the options say, then the defaults.
if [ "$start_shell" = login ]; then
    words=" -HOME -SHELL -USER -LOGNAME -MAIL"
elif [ -n "$set_home" ]; then
    words=' -HOME'
fi
words="$words$kept"
if [ "$environment" = all ]; then
    for rule in $remove '+*'; do add "$rule"; done
else
    for rule in $keep; do add "$rule"; done
fi
for variable in "HOME=$home" "USER=$user" "LOGNAME=$user" "SHELL=$shell" "MAIL=/var/mail/$user" \
    "PATH=$PATH" TERM=unknown; do
    add "?$variable"
done
for variable in "SUDO_USER=$caller" "SUDO_UID=$SUDO_UID" "SUDO_GID=$SUDO_GID" "SUDO_COMMAND=$command"; do
    add "=$variable"
done
words="$words$variables"
add "@$DACHA_SUDO_ENV"
add "!$own_name"
add "#$close_from"
[ -z "$background" ] || add '&'
if [ "$start_shell" = login ] && [ "$directory" = "$home" ]; then
    add "~$directory"
elif [ -n "$directory" ]; then
    add ">$directory"
fi
eval "exec \"\$DACHA_SUDO\" --dacha-become \"\$uid\" \"\$gid\" \"\$groups\" $words -- \"\$program\" \"\$@\""
