package pattern

import (
	"bytes"
	"net/netip"
)

// addressOf reads an IP address. Unlike netip.ParseAddr it allocates nothing, and it takes what Java's InetAddress takes, and so EventBridge:
// zeros before a number, and IPv6 addresses that stand for IPv4 ones (::ffff:a00:1), which are the same as those. It takes no zone, and no
// IPv6 address that is written with dots.
func addressOf(text []byte) (netip.Addr, bool) {
	if bytes.IndexByte(text, ':') >= 0 {
		return address6(text)
	}
	return address4(text)
}

func address4(text []byte) (netip.Addr, bool) {
	var out [4]byte
	at, n, digits := 0, 0, 0
	for _, c := range text {
		switch {
		case c >= '0' && c <= '9':
			n = n*10 + int(c-'0')
			digits++
			if n > 255 {
				return netip.Addr{}, false
			}
			out[at] = byte(n)
		case c == '.' && digits > 0 && at < 3:
			at++
			n, digits = 0, 0
		default:
			return netip.Addr{}, false
		}
	}
	return netip.AddrFrom4(out), at == 3 && digits > 0
}

func address6(text []byte) (netip.Addr, bool) {
	var out [16]byte
	n, gap := 0, -1 // bytes that are there; where "::" is
	rest := text
	if bytes.HasPrefix(rest, []byte("::")) {
		gap, rest = 0, rest[2:]
	} else if len(rest) == 0 || rest[0] == ':' {
		return netip.Addr{}, false
	}
	for len(rest) > 0 {
		group, size := hexadecimal(rest)
		if size == 0 || n == len(out) {
			return netip.Addr{}, false
		}
		out[n], out[n+1] = byte(group>>8), byte(group)
		n, rest = n+2, rest[size:]
		switch {
		case len(rest) == 0:
		case rest[0] != ':' || len(rest) == 1:
			return netip.Addr{}, false
		case rest[1] == ':' && gap >= 0:
			return netip.Addr{}, false
		case rest[1] == ':':
			gap, rest = n, rest[2:]
		default:
			rest = rest[1:]
		}
	}
	if (n == len(out)) != (gap < 0) {
		return netip.Addr{}, false
	}
	if gap >= 0 {
		tail := n - gap
		copy(out[len(out)-tail:], out[gap:n])
		clear(out[gap : len(out)-tail])
	}
	return netip.AddrFrom16(out).Unmap(), true
}

// hexadecimal is the number of 16 bits at the beginning of text and how many digits it has, 0 if there is none.
func hexadecimal(text []byte) (group, size int) {
	for _, c := range text {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return group, size
		}
		if group = group<<4 | int(c); group > 0xFFFF {
			return 0, 0
		}
		size++
	}
	return group, size
}
