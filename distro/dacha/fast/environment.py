"""Which of the caller's variables reach a session: an allow-list.

What is not named here stays on the host: secrets are often kept in the environment.
"""

from __future__ import annotations

import os

from dacha.engine.state import State

_NAMES = frozenset(
    # terminal
    b"TERM COLORTERM TERM_PROGRAM TERM_PROGRAM_VERSION VTE_VERSION COLORFGBG NO_COLOR FORCE_COLOR CLICOLOR"
    b" COLUMNS LINES WINDOWID KONSOLE_VERSION WT_SESSION TMUX TMUX_PANE"
    # display, desktop and input methods
    b" DISPLAY WAYLAND_DISPLAY XAUTHORITY DESKTOP_SESSION XDG_CURRENT_DESKTOP XDG_MENU_PREFIX XDG_SEAT"
    b" XDG_VTNR GTK_IM_MODULE QT_IM_MODULE XMODIFIERS XCURSOR_THEME XCURSOR_SIZE GDK_BACKEND GDK_SCALE"
    b" GDK_DPI_SCALE QT_QPA_PLATFORM QT_SCALE_FACTOR QT_AUTO_SCREEN_SCALE_FACTOR MOZ_ENABLE_WAYLAND"
    b" SDL_VIDEODRIVER"
    # sockets
    b" XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS DBUS_SYSTEM_BUS_ADDRESS SSH_AUTH_SOCK SSH_AGENT_PID"
    b" SSH_CONNECTION SSH_CLIENT SSH_TTY GPG_AGENT_INFO PULSE_SERVER PULSE_COOKIE PIPEWIRE_REMOTE"
    # language and time
    b" LANG LANGUAGE TZ"
    # habits
    b" EDITOR VISUAL PAGER LESS BROWSER HISTSIZE HISTFILESIZE HISTCONTROL"
    # the way out
    b" http_proxy https_proxy ftp_proxy all_proxy no_proxy"
    b" HTTP_PROXY HTTPS_PROXY FTP_PROXY ALL_PROXY NO_PROXY".split()
)
_PREFIXES = (b"LC_", b"XDG_SESSION_")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def session_environment(state: State) -> dict[bytes, bytes]:
    """The environment of a session in this box."""
    chosen = {
        name: value for name, value in os.environb.items() if name in _NAMES or name.startswith(_PREFIXES)
    }
    # The caller's own programs, such as ~/.local/bin, come along; the host's system's do not.
    home = os.fsencode(state.home)
    path = [os.fsencode(_PATH)]
    path += [each for each in os.environb.get(b"PATH", b"").split(b":") if each.startswith(home + b"/")]
    chosen[b"PATH"] = b":".join(path)
    chosen[b"HOME"] = home
    chosen[b"USER"] = chosen[b"LOGNAME"] = os.fsencode(state.user)
    chosen[b"SHELL"] = os.fsencode(state.shell)
    for name, value in state.environment.items():
        chosen[os.fsencode(name)] = os.fsencode(value)
    return chosen


def working_directories(state: State) -> list[str]:
    """Where a session starts, the best first: here, in the box or else on the host; then at home."""
    try:
        here = os.getcwd()
    except FileNotFoundError:
        return [state.home, "/"]
    is_shared = any(here == path or here.startswith(path + "/") for path in state.shared)
    return [here if is_shared else f"/run/host{here}", state.home, "/"]
