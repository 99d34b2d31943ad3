#!/usr/bin/env bash
# A real SLURM with one node, on loopback, as root, without systemd.   start.sh FOLDER [none|dbd]
#
#   apt-get install --no-install-recommends slurm-wlm slurm-client slurmdbd munge mariadb-server
#
# Everything lies in FOLDER (an absolute path), with one exception: /etc/slurm/{slurm,cgroup}.conf become links into
# it, because Snakemake's jobs drop every SLURM_* variable, SLURM_CONF too, before they call `srun`.
# `dbd` adds accounting: mariadb and slurmdbd. stop.sh FOLDER ends it all.
set -euo pipefail
D=$1
MODE=${2:-none}
CPUS=${SLURM_CPUS:-8} # may be more than there are, so that jobs run side by side
HOST=$(hostname -s)
USER_NAME=$(id -un)

for file in slurm.conf cgroup.conf; do
    if [ -e "/etc/slurm/$file" ] && [ ! -L "/etc/slurm/$file" ]; then
        echo "start.sh: /etc/slurm/$file is a file: this machine has a SLURM of its own, which is left alone" >&2
        exit 2
    fi
done
mkdir -p "$D"/{etc,state,spool,log,run,munge}
export SLURM_CONF="$D/etc/slurm.conf"

# A key and a socket of its own.
[ -s "$D/munge/munge.key" ] || head -c 1024 /dev/urandom >"$D/munge/munge.key"
chmod 700 "$D/munge"
chmod 600 "$D/munge/munge.key"
munged --force --key-file="$D/munge/munge.key" --socket="$D/run/munge.sock" \
    --pid-file="$D/run/munged.pid" --log-file="$D/log/munged.log" --seed-file="$D/munge/seed"

if [ "$MODE" = dbd ]; then
    GATHER=jobacct_gather/linux
    # sacctmgr takes the socket from AccountingStoragePass, not from AuthInfo.
    STORAGE="AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort=16819
AccountingStoreFlags=job_comment
AccountingStoragePass=$D/run/munge.sock"
else
    GATHER=jobacct_gather/none
    STORAGE="AccountingStorageType=accounting_storage/none"
fi

# MinJobAge: Snakemake, and the tests, look for finished jobs in squeue.
cat >"$SLURM_CONF" <<CONF
ClusterName=sandbox
SlurmctldHost=$HOST(127.0.0.1)
SlurmUser=$USER_NAME
SlurmdUser=$USER_NAME
AuthType=auth/munge
AuthInfo=socket=$D/run/munge.sock
CredType=cred/munge
SlurmctldPort=16817
SlurmdPort=16818
SlurmctldPidFile=$D/run/slurmctld.pid
SlurmdPidFile=$D/run/slurmd.pid
StateSaveLocation=$D/state
SlurmdSpoolDir=$D/spool
SlurmctldLogFile=$D/log/slurmctld.log
SlurmdLogFile=$D/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=5,batch_sched_delay=0
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=30
KillWait=2
MinJobAge=3600
DefMemPerCPU=200
JobAcctGatherType=$GATHER
$STORAGE
SlurmdParameters=config_overrides
NodeName=$HOST NodeAddr=127.0.0.1 CPUs=$CPUS RealMemory=64000 State=UNKNOWN
PartitionName=debug Nodes=$HOST Default=YES MaxTime=INFINITE State=UP
CONF
# slurmd of Debian 12 wants this file even where nothing uses control groups.
cat >"$D/etc/cgroup.conf" <<CONF
CgroupMountpoint=/sys/fs/cgroup
CgroupPlugin=cgroup/v1
CgroupAutomount=no
ConstrainCores=no
ConstrainRAMSpace=no
CONF
mkdir -p /etc/slurm
ln -sfn "$D/etc/slurm.conf" /etc/slurm/slurm.conf
ln -sfn "$D/etc/cgroup.conf" /etc/slurm/cgroup.conf

if [ "$MODE" = dbd ]; then
    mkdir -p "$D/mysql"
    if [ ! -d "$D/mysql/mysql" ]; then
        mariadb-install-db --no-defaults --user="$USER_NAME" --datadir="$D/mysql" \
            --auth-root-authentication-method=socket >"$D/log/mysql_install.log" 2>&1
    fi
    mariadbd --no-defaults --user="$USER_NAME" --datadir="$D/mysql" --socket="$D/run/mysql.sock" --port=13306 \
        --bind-address=127.0.0.1 --pid-file="$D/run/mariadbd.pid" --innodb-buffer-pool-size=64M \
        --innodb-lock-wait-timeout=900 >"$D/log/mariadb.log" 2>&1 </dev/null &
    for _ in $(seq 100); do
        mariadb-admin --no-defaults -S "$D/run/mysql.sock" ping >/dev/null 2>&1 && break
        sleep 0.1
    done
    # It listens on loopback alone, for the minutes that the test takes.
    mariadb --no-defaults -S "$D/run/mysql.sock" -e "CREATE DATABASE IF NOT EXISTS slurm_acct_db;
        CREATE USER IF NOT EXISTS 'slurm'@'127.0.0.1' IDENTIFIED BY 'slurm';
        GRANT ALL ON slurm_acct_db.* TO 'slurm'@'127.0.0.1'; FLUSH PRIVILEGES;"
    cat >"$D/etc/slurmdbd.conf" <<CONF
AuthType=auth/munge
AuthInfo=socket=$D/run/munge.sock
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=16819
SlurmUser=$USER_NAME
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=13306
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
LogFile=$D/log/slurmdbd.log
PidFile=$D/run/slurmdbd.pid
CONF
    chmod 600 "$D/etc/slurmdbd.conf"
    slurmdbd
    for _ in $(seq 100); do
        timeout 5 sacctmgr -n list cluster >/dev/null 2>&1 && break
        sleep 0.1
    done
    for what in "cluster sandbox" "account toy Cluster=sandbox" "user $USER_NAME Account=toy"; do
        # shellcheck disable=SC2086  # several words
        timeout 20 sacctmgr -i add $what >/dev/null || [ "$what" = "cluster sandbox" ]
    done
fi

slurmctld -f "$SLURM_CONF"
slurmd -f "$SLURM_CONF"
for _ in $(seq 150); do
    if [ "$(timeout 5 sinfo -h -o %T 2>/dev/null | head -1)" = idle ]; then exit 0; fi
    sleep 0.2
done
echo "start.sh: the cluster did not come up" >&2
tail -5 "$D"/log/*.log >&2
exit 1
