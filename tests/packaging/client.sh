# For other scripts, which source it: a port of this machine that nobody uses, and a client.

port=$((20000 + RANDOM % 10000))
while (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done

# What a server at this port answers to one command, if that is a line.
ask() {
    exec 5<>"/dev/tcp/127.0.0.1/$port" || return 1
    printf '%s\r\n' "$*" >&5
    local answer
    IFS= read -r -t 10 answer <&5
    exec 5>&-
    printf '%s\n' "${answer%$'\r'}"
}
