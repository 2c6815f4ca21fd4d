package datasets

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// VerifyReport says what Verify found in a folder.
type VerifyReport struct {
	Dir      string
	Files    []FileStatus // every published file, in catalogue order
	Warnings []string     // one sentence each, with the file
}

// FileStatus is the state of one published file.
type FileStatus struct {
	Set   string
	Name  string
	Path  string // where it was found, "" if missing
	State string // "fine", "altered", "missing", or "unchecked": there, but no checksum was ever published
	Note  string // for altered: what differs
}

// Verify looks for the published files of all sets under dir, in any subfolder,
// by name, and compares size and SHA-256. In every CSV file with the columns of
// CIC-IDS2017, whatever its name, it also checks the flow rates, because fakes
// circulate (see CheckFlowRates). The error is about dir itself; trouble with
// one file is in the report.
func Verify(dir string) (VerifyReport, error) {
	rep := VerifyReport{Dir: dir}
	paths := map[string]string{} // first path in lexical order for a base name
	var csvs []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if path == dir {
				return err
			}
			rep.Warnings = append(rep.Warnings, fmt.Sprintf("%s: %v", path, err))
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		if _, ok := paths[d.Name()]; !ok {
			paths[d.Name()] = path
		}
		if strings.HasSuffix(strings.ToLower(d.Name()), ".csv") {
			csvs = append(csvs, path)
		}
		return nil
	})
	if err != nil {
		return rep, fmt.Errorf("verify %q: %w", dir, err)
	}
	for _, set := range All() {
		for _, f := range set.Files {
			rep.Files = append(rep.Files, status(set.Name, f, paths[f.Name]))
		}
	}
	for _, path := range csvs {
		rows, failed, err := checkFile(path)
		switch {
		case errors.Is(err, errNotFlows):
		case err != nil:
			rep.Warnings = append(rep.Warnings, fmt.Sprintf("%s: %v", path, err))
		case failed*100 > rows:
			rep.Warnings = append(rep.Warnings, fmt.Sprintf(
				"%s: Flow Packets/s is not packets/duration·10⁶ in %d of %d rows with a positive duration; genuine files agree in at least 99 %%", path, failed, rows))
		}
	}
	return rep, nil
}

func status(set string, f File, path string) FileStatus {
	st := FileStatus{Set: set, Name: f.Name, Path: path, State: "missing"}
	if path == "" {
		return st
	}
	if f.SHA256 == "" {
		st.State = "unchecked"
		return st
	}
	size, sum, err := hashFile(path)
	switch {
	case err != nil:
		st.State, st.Note = "altered", err.Error()
	case size != f.Bytes:
		st.State, st.Note = "altered", fmt.Sprintf("%d bytes, published %d", size, f.Bytes)
	case sum != f.SHA256:
		st.State, st.Note = "altered", fmt.Sprintf("sha256 %s, published %s", sum, f.SHA256)
	default:
		st.State = "fine"
	}
	return st
}

func hashFile(path string) (int64, string, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return n, hex.EncodeToString(h.Sum(nil)), err
}

func checkFile(path string) (rows, failed int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	return CheckFlowRates(f)
}

// errNotFlows: the header lacks the columns that the check needs.
var errNotFlows = errors.New("no CIC-IDS2017 header")

// CheckFlowRates reads the CSV form of CIC-IDS2017 and counts the rows with a
// positive Flow Duration, and among them those in which Flow Packets/s differs
// from packets / duration · 10⁶ (microseconds) by more than 0.1 %. Genuine
// files fail in next to no row, shuffled or invented ones in almost all.
func CheckFlowRates(r io.Reader) (rows, failed int64, err error) {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), 1<<20)
	if !sc.Scan() {
		if sc.Err() != nil {
			return 0, 0, sc.Err()
		}
		return 0, 0, errNotFlows
	}
	want := []string{"flow duration", "total fwd packets", "total backward packets", "flow packets/s"}
	at := []int{-1, -1, -1, -1}
	last := 0
	for i, name := range strings.Split(strings.TrimPrefix(sc.Text(), "\ufeff"), ",") {
		for k, w := range want {
			if at[k] < 0 && strings.EqualFold(strings.TrimSpace(name), w) {
				at[k] = i
				last = max(last, i)
			}
		}
	}
	for _, i := range at {
		if i < 0 {
			return 0, 0, errNotFlows
		}
	}
	for sc.Scan() {
		var v [4]float64
		line := sc.Text()
		ok := true
		for i := 0; i <= last; i++ {
			field, rest, more := strings.Cut(line, ",")
			for k := range at {
				if at[k] == i {
					x, err := strconv.ParseFloat(strings.TrimSpace(field), 64)
					if err != nil {
						x = math.NaN()
					}
					v[k] = x
				}
			}
			if !more && i < last {
				ok = false
				break
			}
			line = rest
		}
		if !ok || !(v[0] > 0) {
			continue
		}
		rows++
		rate := (v[1] + v[2]) / v[0] * 1e6
		if !(math.Abs(v[3]-rate) <= 1e-3*rate) {
			failed++
		}
	}
	return rows, failed, sc.Err()
}
