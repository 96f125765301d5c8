// Package letter is the model of dead letters: lines of JSON in files and objects, and records with headers in Kafka topics. Keys, values
// and headers come back from each as the bytes that Kafka had, null included.
package letter
