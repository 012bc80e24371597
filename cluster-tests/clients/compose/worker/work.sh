#!/bin/sh
# Says hello, then works until it is told to stop.
echo "$GREETING from $(hostname)"
trap 'exit 0' TERM
while :; do sleep 1 & wait $!; done
