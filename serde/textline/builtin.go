package textline

import "github.com/millrace/millrace/serde/column"

// Names of patterns that need more than a table.
const (
	syslogNew = "syslog_rfc5424"
	syslogOld = "syslog_rfc3164"
	logfmt    = "logfmt"
)

// Patterns are the names of the built-in patterns.
func Patterns() []string {
	return []string{"apache_common", "apache_combined", "nginx_combined", "alb", "s3_access", "cloudfront", "vpc_flow", syslogNew, syslogOld, logfmt}
}

// builtin is the pattern of a name.
func builtin(name string) (p pattern, ok bool) {
	switch name {
	case "apache_common":
		p = &accessLog{separator: ' ', escapes: true, parts: apache()}
	case "apache_combined":
		p = &accessLog{separator: ' ', escapes: true, parts: append(apache(), text("referer"), text("user_agent"))}
	case "nginx_combined":
		p = nginx()
	case "alb":
		p = alb()
	case "s3_access":
		p = s3Access()
	case "cloudfront":
		p = cloudFront()
	case "vpc_flow":
		p = vpcFlow()
	case syslogNew:
		p = syslog5424{}
	case syslogOld:
		p = syslog3164{}
	case logfmt:
		p = pairs{}
	default:
		return nil, false
	}
	return p, true
}

func one(k kind, name string, t column.Type, format string) part {
	return part{kind: k, columns: []column.Column{{Name: name, Type: t, Format: format}}}
}

func text(name string) part    { return one(word, name, column.String, "") }
func integer(name string) part { return one(word, name, column.Int, "") }
func float(name string) part   { return one(word, name, column.Float, "") }

// bracketed is a time such as [10/Oct/2000:13:55:36 -0700].
func bracketed(name string) part {
	return one(bracket, name, column.Timestamp, "dd/MMM/yyyy:HH:mm:ss Z")
}

func requestLine(names ...string) part {
	p := part{kind: request}
	for _, name := range names {
		p.columns = append(p.columns, column.Column{Name: name})
	}
	return p
}

// apache is the Common Log Format, "%h %l %u %t \"%r\" %>s %b" (Apache HTTP Server 2.4, Log Files, "Access Log"; escapes: module
// mod_log_config, "Custom Log Formats").
func apache() []part {
	return []part{
		text("host"), text("ident"), text("user"), bracketed("time"),
		requestLine("request", "method", "path", "protocol"), integer("status"), integer("bytes"),
	}
}

// nginx is the predefined format "combined" of ngx_http_log_module (nginx documentation, "log_format"). Members have the names of
// its variables.
func nginx() *accessLog {
	return &accessLog{separator: ' ', escapes: true, parts: []part{
		text("remote_addr"), {kind: skipped}, text("remote_user"), bracketed("time_local"),
		requestLine("request", "method", "path", "protocol"), integer("status"), integer("body_bytes_sent"),
		text("http_referer"), text("http_user_agent"),
	}}
}

// alb is an entry of an access log of an Application Load Balancer (User Guide for Application Load Balancers, "Access logs for your
// Application Load Balancer", "Syntax"). Addresses and requests are taken apart as the table in "Query Application Load Balancer logs" of the
// Amazon Athena User Guide does. The guide says that fields may be added at the end.
func alb() *accessLog {
	return &accessLog{separator: ' ', least: 25, open: true, parts: []part{
		text("type"), one(word, "time", column.Timestamp, ""), text("elb"), addressOf("client"), addressOf("target"),
		float("request_processing_time"), float("target_processing_time"), float("response_processing_time"),
		integer("elb_status_code"), integer("target_status_code"), integer("received_bytes"), integer("sent_bytes"),
		requestLine("request", "request_verb", "request_url", "request_proto"), text("user_agent"), text("ssl_cipher"), text("ssl_protocol"),
		text("target_group_arn"), text("trace_id"), text("domain_name"), text("chosen_cert_arn"), integer("matched_rule_priority"),
		one(word, "request_creation_time", column.Timestamp, ""), text("actions_executed"), text("redirect_url"), text("error_reason"),
		text("target_port_list"), text("target_status_code_list"), text("classification"), text("classification_reason"), text("conn_trace_id"),
	}}
}

// addressOf makes client_ip and client_port of client.
func addressOf(name string) part {
	return part{kind: address, columns: []column.Column{{Name: name + "_ip"}, {Name: name + "_port", Type: column.Int}}}
}

// s3Access is a record of a server access log (Amazon S3 User Guide, "Amazon S3 server access log format"). Fields are added at
// the end; older records end with the version id.
func s3Access() *accessLog {
	return &accessLog{separator: ' ', least: 18, open: true, parts: []part{
		text("bucket_owner"), text("bucket"), bracketed("time"), text("remote_ip"), text("requester"), text("request_id"), text("operation"),
		text("key"), text("request_uri"), integer("http_status"), text("error_code"), integer("bytes_sent"), integer("object_size"),
		integer("total_time"), integer("turn_around_time"), text("referer"), text("user_agent"), text("version_id"), text("host_id"),
		text("signature_version"), text("cipher_suite"), text("authentication_type"), text("host_header"), text("tls_version"),
		text("access_point_arn"), text("acl_required"),
	}}
}

// cloudFront is a line of a standard log in the W3C format, with tabs (Amazon CloudFront Developer Guide, "Standard logging reference",
// "Log file fields"). Members have the names of the table in "Query Amazon CloudFront logs" of the Amazon Athena User Guide. Texts stay
// URL-encoded. The lines #Version and #Fields at the beginning of a file don't match.
func cloudFront() *accessLog {
	return &accessLog{separator: '\t', least: 26, open: true, parts: []part{
		one(word, "date", column.Date, ""), one(word, "time", column.Time, ""), text("x_edge_location"), integer("sc_bytes"), text("c_ip"),
		text("cs_method"), text("cs_host"), text("cs_uri_stem"), integer("sc_status"), text("cs_referer"), text("cs_user_agent"),
		text("cs_uri_query"), text("cs_cookie"), text("x_edge_result_type"), text("x_edge_request_id"), text("x_host_header"),
		text("cs_protocol"), integer("cs_bytes"), float("time_taken"), text("x_forwarded_for"), text("ssl_protocol"), text("ssl_cipher"),
		text("x_edge_response_result_type"), text("cs_protocol_version"), text("fle_status"), integer("fle_encrypted_fields"),
		integer("c_port"), float("time_to_first_byte"), text("x_edge_detailed_result_type"), text("sc_content_type"),
		integer("sc_content_len"), integer("sc_range_start"), integer("sc_range_end"),
	}}
}

// vpcFlow is a flow log record of version 2 in the default format (Amazon VPC User Guide, "Flow log records", "Default format"). Other formats
// have other fields: they need a regexp.
func vpcFlow() *accessLog {
	return &accessLog{separator: ' ', parts: []part{
		integer("version"), text("account_id"), text("interface_id"), text("srcaddr"), text("dstaddr"), integer("srcport"), integer("dstport"),
		integer("protocol"), integer("packets"), integer("bytes"), one(word, "start", column.Timestamp, "epoch_seconds"),
		one(word, "end", column.Timestamp, "epoch_seconds"), text("action"), text("log_status"),
	}}
}
