# Searches of one exported model that differ in hash functions and order, so many at a time; each in little memory.
#   sh benchmarks/swarm.sh MODEL.pml [JOBS] [BITS]      needs spin and gcc
set -eu
model=$(realpath "$1") jobs=${2:-$(nproc)} bits=${3:-27}
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT INT TERM; cd "$folder"
spin -DCHECK -a "$model"
build() { gcc -O2 -DSAFETY -DNOREDUCE -DBITSTATE -DMEMLIM=1024 $2 -o "pan-$1" pan.c; }
build forward "" & build reverse "-DT_REVERSE" & build random "-DT_RAND" & wait
for seed in 1 2; do for order in forward reverse random; do
    case $order in random) more="-RS$seed";; *) more="";; esac
    echo "$order-$seed ./pan-$order $more -E -c0 -m9999999 -w$bits -k3 -h$seed"
done; done | xargs -P "$jobs" -L 1 sh -c 'name=$0; nice "$@" > "$name.out" 2>&1'
for out in *.out; do
    states=$(sed -n 's/ states, stored.*//p' "$out") moves=$(sed -n 's/ transitions (.*//p' "$out")
    printf '%-12s %12s states %13s transitions, %s violated or found\n' "${out%.out}" "$states" "$moves" \
        "$(grep -c 'assertion violated' "$out" || true)"
done
