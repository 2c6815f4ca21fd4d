// Package traffic holds the vocabulary of apiml: an HTTP Request, a network
// Flow, the Label that says what it was, the Batch in which records move, and
// the Template that folds the variable parts of a path.
//
// It knows no file format, no store and no model. Everything else speaks in
// its terms: package ingest produces batches, package generate too, package
// features reads them.
package traffic
