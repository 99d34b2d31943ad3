#!/usr/bin/env bash
# End what `start.sh FOLDER` started, by its pid files, and nothing else; remove its links in /etc/slurm.
D=$1
export SLURM_CONF="$D/etc/slurm.conf"
timeout 10 scancel --me 2>/dev/null
for _ in $(seq 50); do
    [ -z "$(timeout 5 squeue --noheader --me 2>/dev/null)" ] && break
    sleep 0.2
done
for name in slurmd slurmctld slurmdbd mariadbd munged; do
    [ -s "$D/run/$name.pid" ] || continue
    pid=$(cat "$D/run/$name.pid")
    kill "$pid" 2>/dev/null
    for _ in $(seq 150); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
done
rm -f "$D"/run/*.pid
for file in slurm.conf cgroup.conf; do
    [ "$(readlink "/etc/slurm/$file")" = "$D/etc/$file" ] && rm "/etc/slurm/$file"
done
exit 0
