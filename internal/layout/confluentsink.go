package layout

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace/millrace/connector"
)

// format finds format, compression and extension.
func (c *confluent) format() error {
	class := c.p.get("format.class", "")
	switch name := shortClass(class); {
	case class == "":
		c.s.note("format.class is missing; names are shown without an extension.")
	case name == "JsonFormat":
		c.s.Format, c.s.Extension = "json", ".json"
		return c.compress()
	case name == "ByteArrayFormat":
		c.s.Format, c.s.Extension = "raw", c.p.get("format.bytearray.extension", ".bin")
		separator := "\n"
		if text, ok := c.p.values["format.bytearray.separator"]; ok && text != "" {
			separator = text
		}
		c.s.set("separator", separator)
		return c.compress()
	case name == "AvroFormat":
		c.s.Format, c.s.Extension, c.s.Compression = "avro", ".avro", avroCodec(c.p.get("avro.codec", "null"))
	case name == "ParquetFormat":
		codec := c.p.get("parquet.codec", "snappy")
		before, ours, ok := parquetCodec(codec)
		if !ok {
			return fmt.Errorf("parquet.codec is %q, which has no counterpart: snappy, zstd, gzip or none", codec)
		}
		c.s.Format, c.s.Compression, c.s.Extension = "parquet", ours, before+".parquet"
	default:
		return fmt.Errorf("format.class is %s, which has no counterpart: JsonFormat, AvroFormat, ParquetFormat or ByteArrayFormat", class)
	}
	return nil
}

func (c *confluent) compress() error {
	switch kind := c.p.get("s3.compression.type", "none"); kind {
	case "none":
		c.s.Compression = "none"
	case "gzip":
		c.s.Compression = "gzip"
		c.s.Extension += ".gz"
		if level := c.p.number("s3.compression.level"); level > 0 {
			c.s.setRaw("compression_level", strconv.FormatInt(level, 10))
		}
	default:
		return fmt.Errorf("s3.compression.type is %q; it is none or gzip", kind)
	}
	return nil
}

// avroCodec is ours for a codec of Avro's container files.
func avroCodec(codec string) string {
	switch codec {
	case "null", "":
		return "none"
	case "zstandard":
		return "zstd"
	}
	return codec
}

// parquetCodec is what Parquet's Java library puts before .parquet in names (CompressionCodecName), and our name.
func parquetCodec(codec string) (before, ours string, ok bool) {
	switch strings.ToLower(codec) {
	case "snappy":
		return ".snappy", "snappy", true
	case "gzip":
		return ".gz", "gzip", true
	case "zstd":
		return ".zstd", "zstd", true
	case "none", "uncompressed":
		return "", "none", true
	}
	return "", "", false
}

// sink finds settings of bucket and objects.
func (c *confluent) sink() {
	if bucket := c.p.get("s3.bucket.name", ""); bucket != "" {
		c.s.set("bucket", bucket)
	}
	c.s.set("region", c.p.get("s3.region", "us-west-2"))
	if url := c.p.get("store.url", ""); url != "" {
		c.s.set("endpoint", url)
		c.s.setRaw("path_style", strconv.FormatBool(c.p.get("s3.path.style.access.enabled", "true") == "true"))
	}
	c.s.encryption(c.p.get("s3.ssea.name", ""), c.p.get("s3.sse.kms.key.id", ""))
	if acl := c.p.get("s3.acl.canned", ""); acl != "" {
		c.s.set("acl", acl)
	}
	if n := c.p.number("s3.part.size"); n > 0 {
		c.s.setRaw("part_size", connector.Bytes(n).String())
	}
	if c.p.is("s3.object.tagging") {
		c.s.setRaw("range_tags", "true")
		c.s.note("s3.object.tagging: the tags startOffset, endOffset and recordCount are millrace-start, millrace-end and millrace-count here.")
	}
	if tags := c.p.get("s3.object.tagging.key.value.pairs", ""); tags != "" {
		var pairs []string
		for pair := range strings.SplitSeq(tags, ",") {
			key, value, _ := strings.Cut(pair, ":")
			pairs = append(pairs, quote(strings.TrimSpace(key))+": "+quote(strings.TrimSpace(value)))
		}
		c.s.setRaw("tags", "{"+strings.Join(pairs, ", ")+"}")
	}
	if n := c.p.number("partitioner.max.open.files"); n > 0 {
		c.s.setRaw("max_open_files", strconv.FormatInt(n, 10))
	}
	c.s.credentials(c.p, "aws.access.key.id", "aws.secret.access.key", "s3.credentials.provider.class", "s3.sse.customer.key", "s3.proxy.password")
}

// encryption is that of the objects.
func (s *Settings) encryption(algorithm, key string) {
	switch algorithm {
	case "":
	case "AES256":
		s.setRaw("encryption", "{type: sse_s3}")
	case "aws:kms":
		value := "{type: sse_kms"
		if key != "" {
			value += ", kms_key: " + quote(key)
		}
		s.setRaw("encryption", value+"}")
	default:
		s.note("The encryption %s has no counterpart.", algorithm)
	}
}

// credentials tells of settings that hold secrets, whose values aren't shown.
func (s *Settings) credentials(p properties, names ...string) {
	var set []string
	for _, name := range names {
		if p.get(name, "") != "" {
			set = append(set, name)
		}
	}
	if len(set) > 0 {
		s.note("Credentials are found as the AWS SDK does, or by access_key, secret_key and assume_role; not taken over: %s.", strings.Join(set, ", "))
	}
}

// records tells of settings about what is written.
func (c *confluent) records() {
	for _, what := range []string{"keys", "headers"} {
		if name := "store.kafka." + what; c.p.is(name) {
			c.s.note("%s: no files of %s stand beside those of values; an envelope puts %s into the rows.", name, what, what)
		}
	}
	switch kind := c.p.get("behavior.on.null.values", "fail"); kind {
	case "fail":
		c.s.note("behavior.on.null.values is fail: here a tombstone is a row, or goes to the dead letter where the path needs a field of it.")
	case "ignore":
		c.s.note("behavior.on.null.values is ignore: filter tombstones in a rule.")
	}
	if mode := c.p.get("schema.compatibility", "NONE"); !strings.EqualFold(mode, "NONE") {
		c.s.note("schema.compatibility is %s: the setting of the columns, compatibility: %s, does it without closing files when versions alternate.", mode, strings.ToLower(mode))
	}
}
