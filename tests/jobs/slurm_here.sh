#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A throw-away Slurm cluster on one machine, to run the real job scripts against: fake nodes n1, n2, ..., each with 2 CPUs and
# 2 fake GPUs. Needs root and the packages slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge; no systemd, cgroups
# or database. Verified with Slurm 22.05.8 and Open MPI 4.1.4 (Debian 12).
#   slurm_here.sh start FOLDER [NODES [TIMEOUT]]    then: export SLURM_CONF=FOLDER/slurm.conf. Exit 77: this machine lacks what
#                                         it takes (says what); 1: it did not start. TIMEOUT: until a silent node is down, s
#   slurm_here.sh node FOLDER NAME        start one node again
#   slurm_here.sh crash FOLDER NAME       kill all that runs on a node, daemon and ranks, as if the node died
#   slurm_here.sh stop FOLDER             end every daemon and remove FOLDER
#
# Each node is a slurmd in its own UTS and mount namespace: its own host name, /dev/shm and mpi.conf. Without that, two nodes of
# one host collide in Open MPI's shared-memory segments (ranks crash in btl/vader) and in the folder of Slurm's PMIx plugin
# (spmix_appdir_UID_JOB.STEP: "task launch failed: Unspecified error").
set -uo pipefail
folder=${2:-}
nodes=${3:-4}
timeout=${4:-300}
export SLURM_CONF=$folder/slurm.conf

cannot() {
    echo "no Slurm here: $*" >&2
    exit 77
}

failed() {
    echo "Slurm does not start: $*" >&2
    tail -n 5 "$folder"/log/*.log >&2
    exit 1
}

check_machine() {
    local program
    for program in slurmctld slurmd srun scontrol munged; do
        command -v "$program" >/dev/null || cannot "$program is missing (Debian: slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge)"
    done
    [ "$(id -u)" -eq 0 ] || cannot "needs root"
    unshare --mount --uts mount --make-rprivate / 2>/dev/null || cannot "mount namespaces are refused"
}

# The first of 16 ports that nobody listens on; another cluster that starts at the same time begins to look elsewhere.
find_ports() {
    local port=$((16384 + $$ % 1000 * 16)) i
    for ((i = 0; i < 16; i++)); do
        if (: <"/dev/tcp/127.0.0.1/$((port + i))") 2>/dev/null; then
            port=$((port + 16)) i=-1
        fi
    done
    echo "$port"
}

write_conf() {
    local host port
    host=$(hostname -s) port=$(find_ports)
    # A busy machine takes its time: no launch may fail for that
    cat >"$SLURM_CONF" <<C
ClusterName=here
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.sock
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=pmix
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,sched_min_interval=0,batch_sched_delay=0
ReturnToService=2
KillWait=10
SlurmdTimeout=$timeout
MessageTimeout=60
TCPTimeout=10
BatchStartTimeout=120
JobRequeue=1
MinJobAge=600
GresTypes=gpu
NodeName=n[1-$nodes] NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + nodes))] CPUs=2 RealMemory=2000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=n[1-$nodes] Default=YES MaxTime=60 State=UP
C
    # fake GPUs: any character device will do; Slurm then sets CUDA_VISIBLE_DEVICES
    mknod "$folder/gpu0" c 1 3 && mknod "$folder/gpu1" c 1 3 || failed "device files are refused"
    echo "Name=gpu File=$folder/gpu[0-1]" >"$folder/gres.conf"
    : >"$folder/mpi.conf"
}

start_node() {
    local name=$1
    mkdir -p "$folder/priv/$name/pmix"
    echo "PMIxCliTmpDirBase=$folder/priv/$name/pmix" >"$folder/priv/$name/mpi.conf"
    unshare --mount --uts bash -c "hostname $name && mount --make-rprivate / && mount -t tmpfs tmpfs /dev/shm &&
        mount --bind $folder/priv/$name/mpi.conf $folder/mpi.conf && exec slurmd" || failed "slurmd of $name"
}

start() {
    local i
    check_machine
    mkdir -p "$folder"/{state,spool,log,priv} && chmod 755 "$folder" || exit 1
    (umask 077 && head -c 1024 /dev/urandom >"$folder/munge.key")
    write_conf
    munged --key-file="$folder/munge.key" --socket="$folder/munge.sock" --pid-file="$folder/munged.pid" \
        --log-file="$folder/log/munged.log" --seed-file="$folder/munged.seed" || failed munged
    slurmctld -i || failed slurmctld
    for ((i = 1; i <= nodes; i++)); do
        start_node "n$i"
    done
    for ((i = 0; i < 600; i++)); do
        [ "$(sinfo -h -t idle -o %D 2>/dev/null)" = "$nodes" ] && exit 0
        sleep 0.1
    done
    failed "nodes are not up after a minute: $(sinfo -h -N -o '%N %T %E' | tr '\n' ';')"
}

daemons() { # process numbers of this cluster's daemons that are alive
    local file pid
    for file in "$folder"/slurmctld.pid "$folder"/slurmd-*.pid "$folder"/munged.pid; do
        pid=$(cat "$file" 2>/dev/null) && [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null && echo "$pid"
    done
}

crash() { # NAME
    local daemon space pid victims
    daemon=$(cat "$folder/slurmd-$1.pid") && space=$(readlink "/proc/$daemon/ns/uts") || failed "no node $1"
    victims=("$daemon") # first: it must not tell of the death of the others
    for pid in /proc/[0-9]*; do
        [ "$(readlink "$pid/ns/uts")" != "$space" ] || victims+=("${pid#/proc/}")
    done
    kill -KILL "${victims[@]}"
    rm -rf "$folder/spool/$1" "$folder/priv/$1/pmix" # what it had on its own disk
}

stop() {
    local i pid
    if [ -s "$folder/slurmctld.pid" ]; then
        scancel --full --signal=KILL --user=root 2>/dev/null # batch shells and steps at once
        scancel --user=root 2>/dev/null
        for ((i = 0; i < 50; i++)); do
            [ -z "$(squeue -h -t R,CG 2>/dev/null)" ] && break
            sleep 0.2
        done
        scontrol shutdown 2>/dev/null
    fi
    pid=$(cat "$folder/munged.pid" 2>/dev/null) && kill "$pid" 2>/dev/null
    for ((i = 0; i < 50; i++)); do
        [ -z "$(daemons)" ] && break
        sleep 0.1
    done
    for pid in $(daemons); do
        kill -KILL "$pid"
    done
    rm -rf "$folder"
}

case ${1:-} in
start | stop) [ -n "$folder" ] && "$1" ;;
node) start_node "$3" && scontrol update nodename="$3" state=resume 2>/dev/null ;;
crash) crash "$3" ;;
*)
    sed -n '3,12s/^# //p' "$0" >&2
    exit 2
    ;;
esac
