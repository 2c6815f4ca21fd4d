// Package features turns HTTP requests and network flows into rows of numbers:
// the only bridge from package traffic to package frame.
//
// The same Extractor serves training and scoring, so the two cannot disagree.
// It computes three families of columns (HTTPSchema lists them with unit and
// reason):
//
//   - request: what stands in one request. The target and the body are decoded
//     as often as they decode, split into values, and each value is measured
//     alone: an attack inside a long honest query must not drown.
//   - window: what the principal, its address, the endpoint and the whole
//     service did until now, in event time, this request included, never
//     looking ahead. Memory is bounded: see the constants in window.go.
//   - profile: how far the request lies outside what this API usually gets,
//     per template and parameter. This is the fitted State: frozen when it comes
//     from a training set, online when the Extractor learns it while scoring.
//
// Scoring, in blocks of BlockRows records as a Reorder emits them:
//
//	e := features.NewExtractor(state)
//	x := frame.NewMatrix(features.HTTPSchema(state), len(block))
//	e.Extract(x, block)
//	… predict …
//	e.Learn(block, flagged)
//
// Training: a Builder takes the same ordered records and gives a Dataset, whose
// Fold fits the State on the training rows of a split only.
//
// It does not read logs, knows no model, and keeps no text of a log: templates,
// parameter names and values are kept as 64-bit hashes.
//
// Left out on purpose, because they are labels in disguise or do not carry to
// another log: Host, Cookie, protocol version, hour of the day, address, the
// words of a path, and the exact method (PUT, POST, PATCH and DELETE are one
// class: in CSIC 2010 PUT alone gives 397 attacks away).
package features
