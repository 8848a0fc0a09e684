#!/usr/bin/env bash
# Programs that the operator pages call and a test cannot run as they are, under the names of those programs. The folder
# MACHINE takes the place of the machine's own /etc, /var and /run.
#
# SYSTEM_PATH is the PATH without these stand-ins, and TOOLS the folder of scripts/helm-tools.sh.
#
# systemctl starts what the units of MACHINE/etc say, with their settings and credentials and nothing else; nginx is the real
# one with files of MACHINE; helm renders instead of installing, and checks; kubectl and docker only look at their arguments.
set -euo pipefail

say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }

# Whether a process goes on. One that has ended and that nobody has waited for yet still has a number, but no command line.
goes_on() { [ -n "$( (tr -d '\0' <"/proc/$1/cmdline") 2>/dev/null)" ]; }

is_running() { [ -s "$MACHINE/run/$1.pid" ] && goes_on "$(cat "$MACHINE/run/$1.pid")"; }

# Reads the file of a unit and starts its program; a oneshot has ended when this returns.
start() {
    local unit=$1 file=$1 instance='' line word oneshot='' command=''
    local credentials=$MACHINE/run/credentials/$unit.service
    local -a environment=() files=()
    ! is_running "$unit" || return 0
    if [[ $unit == *@* ]]; then instance=${unit#*@} file=${unit%%@*}@; fi
    file=$MACHINE/etc/systemd/system/$file.service
    [ -f "$file" ] || { say "Unit $unit.service not found."; return 5; }
    mkdir -p "$credentials"
    while IFS= read -r line; do
        line=${line//%d/$credentials}
        line=${line//%i/$instance}
        case $line in
            LoadCredential=*) word=${line#*=}; cp "${word#*:}" "$credentials/${word%%:*}" ;;
            EnvironmentFile=-*) if [ -f "${line#*-}" ]; then mapfile -t files < <(grep -v '^#' "${line#*-}"); fi ;;
            Environment=*) for word in ${line#*=}; do environment+=("$word"); done ;;
            StateDirectory=*) mkdir -p "$MACHINE/var/lib/${line#*=}" ;;
            ExecStart=*) command=${line#*=} ;;
            Type=oneshot) oneshot=yes ;;
        esac
    done < <(sed "s#/etc/#$MACHINE/etc/#g; s#/usr/local/#$MACHINE/usr/local/#g; s#/var/lib/#$MACHINE/var/lib/#g" "$file")
    # No balancer has to notice that a service stops. Settings of the unit come later, so they win.
    # shellcheck disable=SC2086
    if [ -n "$oneshot" ]; then
        env -i "PATH=$PATH" "${environment[@]}" "${files[@]}" ELT_DRAIN_SECONDS=0 $command >>"$MACHINE/var/log/$unit.log" 2>&1 </dev/null
    else
        env -i "PATH=$PATH" "${environment[@]}" "${files[@]}" ELT_DRAIN_SECONDS=0 $command >>"$MACHINE/var/log/$unit.log" 2>&1 </dev/null &
        echo $! >"$MACHINE/run/$unit.pid"
    fi
}

stop() {
    local pid
    is_running "$1" || return 0
    pid=$(cat "$MACHINE/run/$1.pid")
    kill -TERM "$pid"
    # The program ends by itself within its grace period.
    while goes_on "$pid"; do sleep 0.05; done
}

# The units that a pattern such as `elt-worker@*` names: those that run.
units() {
    local file pattern=${1%.service}
    if [[ $pattern != *\** ]]; then echo "$pattern"; return; fi
    for file in "$MACHINE"/run/*.pid; do
        # shellcheck disable=SC2053
        if [[ $(basename "$file" .pid) == $pattern ]]; then basename "$file" .pid; fi
    done
}

systemctl() {
    local verb=$1 argument unit status=0
    shift
    for argument in "$@"; do
        case $argument in -*) continue ;; esac
        for unit in $(units "$argument"); do
            case $verb in
                start | enable) start "$unit" ;;
                stop) stop "$unit" ;;
                restart) stop "$unit"; start "$unit" ;;
                reload) if [ -s "$MACHINE/run/nginx.pid" ]; then nginx -s reload; else nginx; fi ;;
                status) if is_running "$unit"; then echo "$unit is running"; else echo "$unit is not running"; status=3; fi ;;
                *) say "unknown verb $verb"; return 1 ;;
            esac
        done
    done
    return $status
}

nginx() {
    mkdir -p "$MACHINE"/var/log/nginx "$MACHINE"/var/lib/nginx
    cat >"$MACHINE/etc/nginx/nginx.conf" <<END
pid $MACHINE/run/nginx.pid;
error_log $MACHINE/var/log/nginx/error.log;
worker_processes 1;
events {}
http {
    access_log off;
    client_body_temp_path $MACHINE/var/lib/nginx/body;
    proxy_temp_path $MACHINE/var/lib/nginx/proxy;
    fastcgi_temp_path $MACHINE/var/lib/nginx/fastcgi;
    uwsgi_temp_path $MACHINE/var/lib/nginx/uwsgi;
    scgi_temp_path $MACHINE/var/lib/nginx/scgi;
    include $MACHINE/etc/nginx/conf.d/*.conf;
}
END
    /usr/sbin/nginx -e "$MACHINE/var/log/nginx/error.log" -c "$MACHINE/etc/nginx/nginx.conf" "$@"
}

# helm upgrade [--install] NAME CHART …: renders with the same values, and checks what came of it.
helm() {
    local -a arguments=()
    [ "$1" = upgrade ] || { say "unknown command $1"; return 1; }
    shift
    while [ $# -gt 0 ]; do
        case $1 in
            --install | --wait) ;;
            --timeout) shift ;;
            *) arguments+=("$1") ;;
        esac
        shift
    done
    "$TOOLS/helm" template "${arguments[@]}" >"$MACHINE/rendered.yaml" 2>"$MACHINE/helm.log" || { cat "$MACHINE/helm.log"; return 1; }
    node "$TOOLS/check.mjs" "$MACHINE/rendered.yaml"
}

kubectl() {
    local said
    if [[ " $* " == *" create "* ]]; then
        "$TOOLS/kubectl" "$@" --dry-run=client --output name
        return
    fi
    # Nothing answers at that port, so the command fails for that reason, or for a wrong argument.
    said=$("$TOOLS/kubectl" --server http://127.0.0.1:1 --request-timeout 1s "$@" 2>&1) || true
    [[ $said == *"127.0.0.1:1 was refused"* ]] || { say "$said"; return 1; }
}

docker() {
    local argument
    for argument in "$@"; do
        [[ $argument != deploy/* ]] || [ -e "$argument" ] || { say "$argument is missing"; return 1; }
    done
}

case $(basename "$0") in
    journalctl) cat "$MACHINE"/var/log/*.log ;;
    useradd) ;;
    *) "$(basename "$0")" "$@" ;;
esac
