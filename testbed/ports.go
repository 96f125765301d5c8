package testbed

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
)

// The range that ports are taken from, below the one that the kernel takes clients' ports
// from: a client that dials a stopped service's port over and over would else, one day, be given that
// very port for its own side and connect to itself.
const firstPort, lastPort = 15000, 32000

// freePorts returns n different ports of 127.0.0.1 that nothing listens on.
func freePorts(n int) ([]int, error) {
	last := lastPort
	if data, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		var low int
		if _, err := fmt.Sscan(string(data), &low); err == nil && low > firstPort+1000 {
			last = min(last, low-1)
		}
	}
	var ports []int
	var held []net.Listener // until all are found, so that no port comes twice
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	for range 1000 {
		if len(ports) == n {
			return ports, nil
		}
		port := firstPort + rand.IntN(last-firstPort)
		l, err := net.Listen("tcp", local(port))
		if err != nil {
			continue
		}
		held, ports = append(held, l), append(ports, port)
	}
	return nil, fmt.Errorf("no %d free ports on 127.0.0.1 between %d and %d", n, firstPort, last)
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
