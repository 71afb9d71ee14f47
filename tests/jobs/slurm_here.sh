#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A throw-away Slurm cluster on one machine, to run the real job scripts against: fake nodes n1, n2, ..., each with 2 CPUs and
# 2 fake GPUs. Needs root and the packages slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge; no systemd, cgroups
# or database. Verified with Slurm 22.05.8 and Open MPI 4.1.4 (Debian 12).
#   slurm_here.sh start FOLDER [NODES]    then: export SLURM_CONF=FOLDER/slurm.conf. Exit 77: cannot be started here (says why)
#   slurm_here.sh node FOLDER NAME        start one node again
#   slurm_here.sh crash FOLDER NAME       kill a node's daemon, as if the node died
#   slurm_here.sh stop FOLDER             end every daemon and remove FOLDER
#
# Each node is a slurmd in its own UTS and mount namespace: its own host name, /dev/shm and mpi.conf. Without that, two nodes of
# one host collide in Open MPI's shared-memory segments (ranks crash in btl/vader) and in the folder of Slurm's PMIx plugin
# (spmix_appdir_UID_JOB.STEP: "task launch failed: Unspecified error").
set -uo pipefail
folder=${2:-}
nodes=${3:-4}
export SLURM_CONF=$folder/slurm.conf

cannot() {
    echo "no Slurm here: $*" >&2
    exit 77
}

check_machine() {
    local program
    for program in slurmctld slurmd srun scontrol munged; do
        command -v "$program" >/dev/null || cannot "$program is missing (Debian: slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge)"
    done
    [ "$(id -u)" -eq 0 ] || cannot "needs root"
    unshare --mount --uts mount --make-rprivate / 2>/dev/null || cannot "mount namespaces are refused"
}

write_conf() {
    local host port=$((20000 + $$ % 10000))
    host=$(hostname -s)
    # cred_expire (5 s at least) is also the shortest wait before a requeued job starts; its default is 120 s
    cat >"$SLURM_CONF" <<C
ClusterName=here
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.sock,cred_expire=5
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
KillWait=5
SlurmdTimeout=6
JobRequeue=1
MinJobAge=600
GresTypes=gpu
NodeName=n[1-$nodes] NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + nodes))] CPUs=2 RealMemory=2000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=n[1-$nodes] Default=YES MaxTime=60 State=UP
C
    # fake GPUs: any character device will do; Slurm then sets CUDA_VISIBLE_DEVICES
    mknod "$folder/gpu0" c 1 3 && mknod "$folder/gpu1" c 1 3 || cannot "device files are refused"
    echo "Name=gpu File=$folder/gpu[0-1]" >"$folder/gres.conf"
    : >"$folder/mpi.conf"
}

start_node() {
    local name=$1
    mkdir -p "$folder/priv/$name/pmix"
    echo "PMIxCliTmpDirBase=$folder/priv/$name/pmix" >"$folder/priv/$name/mpi.conf"
    unshare --mount --uts bash -c "hostname $name && mount --make-rprivate / && mount -t tmpfs tmpfs /dev/shm &&
        mount --bind $folder/priv/$name/mpi.conf $folder/mpi.conf && exec slurmd" || cannot "slurmd of $name does not start"
}

start() {
    local i
    check_machine
    mkdir -p "$folder"/{state,spool,log,priv} && chmod 755 "$folder" || exit 1
    (umask 077 && head -c 1024 /dev/urandom >"$folder/munge.key")
    write_conf
    munged --key-file="$folder/munge.key" --socket="$folder/munge.sock" --pid-file="$folder/munged.pid" \
        --log-file="$folder/log/munged.log" --seed-file="$folder/munged.seed" || cannot "munged does not start"
    slurmctld -i || cannot "slurmctld does not start"
    for ((i = 1; i <= nodes; i++)); do
        start_node "n$i"
    done
    for ((i = 0; i < 100; i++)); do
        [ "$(sinfo -h -t idle -o %D 2>/dev/null)" = "$nodes" ] && exit 0
        sleep 0.1
    done
    tail -n 3 "$folder"/log/*.log >&2
    cannot "the nodes do not come up"
}

daemons() { # process numbers of this cluster's daemons that are alive
    local file pid
    for file in "$folder"/slurmctld.pid "$folder"/slurmd-*.pid "$folder"/munged.pid; do
        pid=$(cat "$file" 2>/dev/null) && [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null && echo "$pid"
    done
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
crash) kill -KILL "$(cat "$folder/slurmd-$3.pid")" ;;
*)
    sed -n '3,11s/^# //p' "$0" >&2
    exit 2
    ;;
esac
