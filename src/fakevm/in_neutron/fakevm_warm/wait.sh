#!/bin/sh
# Stands for a program that a warmed process has forked: passes signals on to it, and ends as it does. When this ends
# first, the program is killed: its shepherd sees the end of the conversation, which is descriptor 9 here.
pass() {
    echo "$1" >&9
    passed=yes
}
for name in HUP INT QUIT USR1 USR2 ALRM TERM; do
    trap "pass $name" "$name"
done

while :; do
    passed=
    if read -r how number <&9; then
        trap - HUP INT QUIT USR1 USR2 ALRM TERM
        [ "$how" = exit ] && exit "$number"
        kill -"$number" $$
        exit $((128 + number))
    fi
    # A signal interrupts the read; otherwise the shepherd is gone, and the program with it.
    [ "$passed" ] || kill -KILL $$
done
