#!/usr/bin/env bash
# Runs every example to its end; those that come in pairs together, and the file
# transfer once undisturbed and once with both sides killed again and again.
# usage: examples.sh PROGRAM_DIR [KILLS]
set -euo pipefail
bin=$1
kills=${2:-20}
work=$(mktemp -d)
SLUICE_DIR=$work/registry
export SLUICE_DIR
mkdir -m 700 "$SLUICE_DIR"
started=()
clean_up() {
    local child
    for child in "${started[@]}"; do kill -9 "$child" 2> /dev/null || true; done
    rm -rf "$work"
}
trap clean_up EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
ok() { echo "ok: $*"; }
ended_well() {  # PID WHAT
    local rc=0
    wait "$1" || rc=$?
    [ $rc = 0 ] || fail "$2 ended with $rc"
}
no_name_left() {
    local left
    left=$(ls -A "$SLUICE_DIR")
    [ -z "$left" ] || fail "$1 left in the registry: $left"
}

for name in 02_fork 03_dev_zero 04_zero_copy 05_back_pressure 06_ring_in_your_memory 09_exec 11_market_data 12_late_joiner 13_watcher 14_configuration_table 15_calculator protobuf flatbuffers; do
    "$bin/example_$name" > "$work/said" || { cat "$work/said"; fail "$name ended with $?"; }
    ok "$name"
done
no_name_left "an unnamed example"

echo "== 10: lines of eight processes"
"$bin/example_10_log_collector" > "$work/said" || fail "10_log_collector ended with $?"
for worker in 0 1 2 3 4 5 6 7; do  # each whole, and in its order
    grep "^worker $worker: " "$work/said" | awk '{ if (length($3) != i * i) exit 1; ++i } END { if (i != 100) exit 1 }' \
        || fail "10_log_collector: lines of worker $worker are missing, cut or out of order"
done
[ "$(wc -l < "$work/said")" = 800 ] || fail "10_log_collector: $(wc -l < "$work/said") lines of 800"
ok "10_log_collector"

echo "== 01: the producer first and alone, then the consumer"
"$bin/example_01_producer" || fail "01_producer alone"
[ "$("$bin/example_01_consumer" | tail -n 1)" = "received 10 quotes" ] || fail "01_consumer after the producer"
! "$bin/example_01_consumer" 2> /dev/null > /dev/null || fail "01_consumer on a closed, empty channel ended with 0"
rm "$SLUICE_DIR/quotes"
echo "== 01: the consumer first"
"$bin/example_01_consumer" > "$work/said" &
consumer=$!
started=("$consumer")
"$bin/example_01_producer" || fail "01_producer beside a consumer"
ended_well $consumer 01_consumer
[ "$(tail -n 1 "$work/said")" = "received 10 quotes" ] || fail "01_consumer said: $(cat "$work/said")"
rm "$SLUICE_DIR/quotes"
ok "01 pair"

echo "== 08: a memfd through a socket, between two programs that are not forked from each other"
"$bin/example_08_hand_over_offer" "$work/door" > "$work/offered" &
offering=$!
started=("$offering")
until [ -S "$work/door" ]; do kill -0 $offering 2> /dev/null || fail "08_hand_over_offer ended early"; sleep 0.01; done
until "$bin/example_08_hand_over_accept" "$work/door" > "$work/said" 2> "$work/log"; do
    grep -q 'Connection refused' "$work/log" || fail "08_hand_over_accept: $(cat "$work/log" "$work/said")"  # not listening yet
done
ended_well $offering 08_hand_over_offer
[ "$(cat "$work/said")" = "received 1000 readings, sum 249750.0" ] || fail "08_hand_over_accept said: $(cat "$work/said")"
[ "$(cat "$work/offered")" = "sent 1000 readings" ] || fail "08_hand_over_offer said: $(cat "$work/offered")"
no_name_left "08, whose channel has no name,"
ok "08 pair"

# Either side's end with 0 means that every chunk was written before it was released.
transfer_with_kills() {  # SIZE_BYTES KILLS
    local size=$1 remaining=$2 killed rc=1
    declare -A pid
    rm -f "$work/output"
    head -c "$size" /dev/urandom > "$work/input"
    start() {
        case $1 in
            receive) "$bin/example_07_file_receive" "$work/output" file 2>> "$work/log" & ;;
            send) "$bin/example_07_file_send" "$work/input" file 2>> "$work/log" & ;;
        esac
        pid[$1]=$!
        started=("${pid[@]}")
    }
    start receive
    start send
    while [ "$remaining" -gt 0 ]; do
        sleep "0.00$((RANDOM % 10))"
        killed=$([ $((RANDOM % 2)) = 0 ] && echo receive || echo send)
        kill -9 "${pid[$killed]}" 2> /dev/null || true
        rc=0
        wait "${pid[$killed]}" 2> /dev/null || rc=$?
        [ $rc = 137 ] || break  # it had ended before
        remaining=$((remaining - 1))
        start "$killed"
    done
    if [ "$remaining" -gt 0 ] && [ "$rc" != 0 ]; then fail "07_file_$killed ended with $rc: $(cat "$work/log")"; fi
    if [ "$remaining" = 0 ]; then
        rc=0
        wait -n "${pid[@]}" 2> /dev/null || rc=$?
        [ $rc = 0 ] || fail "07: one side ended with $rc: $(cat "$work/log")"
    fi
    cmp "$work/input" "$work/output" || fail "07: $size bytes, $((kills - remaining)) restarts: the files differ"
    kill -9 "${pid[@]}" 2> /dev/null || true
    wait "${pid[@]}" 2> /dev/null || true
    rm -f "$SLUICE_DIR/file"
    ok "07: $size bytes, $((kills - remaining)) of $kills restarts, equal"
}

echo "== 07: undisturbed"
for size in 0 1 65519 65520 65521 3000000; do
    "$bin/example_07_file_receive" "$work/output" file &
    receiver=$!
    head -c $size /dev/urandom > "$work/input"
    started=("$receiver")
    timeout 60 "$bin/example_07_file_send" "$work/input" file || fail "07_file_send, $size bytes: $?"
    ended_well $receiver 07_file_receive
    cmp "$work/input" "$work/output" || fail "07: $size bytes differ"
    no_name_left "07, $size bytes"
    ok "07: $size bytes, equal"
done
echo "== 07: killed and started again"
transfer_with_kills 200000000 "$kills"
