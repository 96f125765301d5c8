// Package layout turns settings that say how other products name their objects into ours: those of
// Confluent's S3 sink connector, of Amazon Data Firehose, and of Aiven's S3 sink connector. Names become the same
// as far as templates can write them; [Settings.Notes] say what isn't the same.
//
// All functions are pure: they read no file and ask no service.
package layout
