// Package ingest turns log files and data sets into batches of records. It
// finds the format by the content, accounts for every line (read = parsed +
// rejected + filtered) and redacts secrets before anything leaves it. It stores
// nothing and computes no features.
//
// Use: Open, then Next until io.EOF, then Coverage and Close. Identify tells
// beforehand whether a file, or the beginning of it, was read before.
//
// A format is one file with a function that returns its format value, and one
// line in the table of formats (format.go).
package ingest
