// Package endpoint checks the addresses of services that settings name.
package endpoint

import (
	"fmt"
	"net/netip"
	"net/url"
)

// Check checks the URL in a setting, which may be empty. instead names the settings that credentials belong in.
func Check(setting, text, instead string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return fmt.Errorf("%s must be a URL such as https://s3.example.com or http://localhost:9000", setting)
	case u.User != nil:
		return fmt.Errorf("%s can't hold credentials: set %s", setting, instead)
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%s can't hold ? or #", setting)
	case isLinkLocal(u.Hostname()):
		return fmt.Errorf("%s is a link-local address: credentials of instances and pods are served there, and nothing else", setting)
	}
	return nil
}

// isLinkLocal reports whether a host is where instances and pods are given their credentials (169.254.169.254,
// 169.254.170.2, 169.254.170.23, fd00:ec2::254 and fd00:ec2::23).
func isLinkLocal(host string) bool {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	ip = ip.Unmap()
	return ip.IsLinkLocalUnicast() || netip.MustParsePrefix("fd00:ec2::/32").Contains(ip)
}
