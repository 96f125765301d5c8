package layout

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/connector"
)

// A stream is what DescribeDeliveryStream answers, and a destination as it and CreateDeliveryStream have it (Amazon Data Firehose API
// reference, "ExtendedS3DestinationDescription").
type stream struct {
	DeliveryStreamDescription *struct {
		Destinations []struct{ ExtendedS3DestinationDescription *destination }
	}
	ExtendedS3DestinationDescription   *destination
	ExtendedS3DestinationConfiguration *destination
	destination
}

type destination struct {
	BucketARN, Prefix, ErrorOutputPrefix, CustomTimeZone, FileExtension, CompressionFormat string

	BufferingHints          struct{ SizeInMBs, IntervalInSeconds int64 }
	ProcessingConfiguration struct {
		Enabled    bool
		Processors []struct {
			Type       string
			Parameters []struct{ ParameterName, ParameterValue string }
		}
	}
	EncryptionConfiguration struct {
		KMSEncryptionConfig struct{ AWSKMSKeyARN string }
	}
	DataFormatConversionConfiguration struct {
		Enabled                   bool
		OutputFormatConfiguration struct {
			Serializer struct {
				ParquetSerDe *struct{ Compression string }
				OrcSerDe     *struct{}
			}
		}
		SchemaConfiguration struct{ DatabaseName, TableName string }
	}
}

// Stream turns the description of a Firehose stream, the JSON that aws firehose describe-delivery-stream prints, into our settings. queries are jq
// expressions of partition keys that the description doesn't hold, such as those of a Lambda function.
func Stream(data []byte, queries map[string]string) (Settings, error) {
	var given stream
	if err := json.Unmarshal(data, &given); err != nil {
		return Settings{}, fmt.Errorf("read the description of a stream: %w", err)
	}
	d, err := given.s3()
	if err != nil {
		return Settings{}, err
	}
	all := map[string]string{}
	if err := d.queries(all); err != nil {
		return Settings{}, err
	}
	for id, query := range queries {
		all[id] = query
	}
	s, err := Firehose(d.Prefix, d.ErrorOutputPrefix, d.CustomTimeZone, all)
	if err != nil {
		return Settings{}, err
	}
	if err := d.format(&s); err != nil {
		return Settings{}, err
	}
	d.sink(&s)
	return s, nil
}

// s3 finds the destination.
func (g *stream) s3() (*destination, error) {
	if g.DeliveryStreamDescription != nil {
		for i := range g.DeliveryStreamDescription.Destinations {
			if d := g.DeliveryStreamDescription.Destinations[i].ExtendedS3DestinationDescription; d != nil {
				return d, nil
			}
		}
	}
	for _, d := range []*destination{g.ExtendedS3DestinationDescription, g.ExtendedS3DestinationConfiguration, &g.destination} {
		if d != nil && d.BucketARN != "" {
			return d, nil
		}
	}
	return nil, errors.New("the description has no ExtendedS3DestinationDescription with a BucketARN: is it what aws firehose describe-delivery-stream prints?")
}

// queries adds the partition keys' jq expressions.
func (d *destination) queries(to map[string]string) error {
	for _, p := range d.ProcessingConfiguration.Processors {
		for _, parameter := range p.Parameters {
			if p.Type != "MetadataExtraction" || parameter.ParameterName != "MetadataExtractionQuery" {
				continue
			}
			queries, err := Queries(parameter.ParameterValue)
			if err != nil {
				return err
			}
			for id, query := range queries {
				to[id] = query
			}
		}
	}
	return nil
}

// format finds format, compression and extension ("Configure Amazon S3 object name format").
func (d *destination) format(s *Settings) error {
	s.Format = "json"
	switch kind := strings.ToUpper(d.CompressionFormat); kind {
	case "", "UNCOMPRESSED":
		s.Compression = "none"
	case "GZIP":
		s.Compression, s.Extension = "gzip", ".gz"
	case "SNAPPY":
		s.Compression, s.Extension = "snappy", ".snappy"
	default:
		return fmt.Errorf("the compression %s has no counterpart: gzip, snappy or none", d.CompressionFormat)
	}
	if c := &d.DataFormatConversionConfiguration; c.Enabled {
		serializer := c.OutputFormatConfiguration.Serializer
		if serializer.OrcSerDe != nil || serializer.ParquetSerDe == nil {
			return errors.New("the stream writes ORC, which has no counterpart: readers of ORC read Parquet too")
		}
		codec := serializer.ParquetSerDe.Compression
		if codec == "" {
			codec = "snappy"
		}
		_, ours, ok := parquetCodec(codec)
		if !ok {
			return fmt.Errorf("the compression %s has no counterpart: snappy, gzip or none", codec)
		}
		s.Format, s.Compression, s.Extension = "parquet", ours, ".parquet"
		if c.SchemaConfiguration.TableName != "" {
			s.note("Columns come from the table %s.%s of the Glue Data Catalog: from: catalog.", c.SchemaConfiguration.DatabaseName, c.SchemaConfiguration.TableName)
		}
	} else {
		s.note("Each row ends in a newline; Firehose writes records as they are, without one unless it is told to.")
	}
	if d.FileExtension != "" {
		s.Extension = d.FileExtension
	}
	return nil
}

// sink finds settings of bucket and objects.
func (d *destination) sink(s *Settings) {
	s.set("bucket", d.BucketARN[strings.LastIndexByte(d.BucketARN, ':')+1:])
	if key := d.EncryptionConfiguration.KMSEncryptionConfig.AWSKMSKeyARN; key != "" {
		s.encryption("aws:kms", key)
	}
	if n := d.BufferingHints.SizeInMBs; n > 0 && n <= 1024 {
		s.Rotate.Size = connector.Bytes(n << 20)
		s.note("The buffer's %d MiB are counted before compression; rotate.size is that of the finished object.", n)
	}
	if n := d.BufferingHints.IntervalInSeconds; n > 0 && n <= 86400 {
		s.Rotate.Age = connector.Duration(time.Duration(n) * time.Second)
	}
	for _, p := range d.ProcessingConfiguration.Processors {
		if p.Type == "Lambda" {
			s.note("A Lambda function transforms records; a handler's rules do that here.")
		}
	}
}
