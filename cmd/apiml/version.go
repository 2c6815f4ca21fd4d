package main

import (
	_ "embed"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
)

// notices are the terms of what is linked into the program (make notices).
//
//go:embed THIRD_PARTY_NOTICES.txt
var notices string

// toolVersion is the version that outputs and model files carry.
const toolVersion = "0.1.0"

func (a *app) versionCommand() *cobra.Command {
	var licenses bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Version of the program, of Go and of what it is built with",
		Example: "  apiml version --json\n  apiml version --licenses",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if licenses {
				if a.flags.json {
					return usagef("--licenses is text: leave --json out")
				}
				_, err := io.WriteString(a.out, notices)
				return err
			}
			type dep struct {
				Path    string `json:"path"`
				Version string `json:"version"`
			}
			var deps []dep
			commit := ""
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, d := range info.Deps {
					deps = append(deps, dep{d.Path, d.Version})
				}
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						commit = s.Value
					}
				}
			}
			if a.flags.json {
				return a.printJSON(struct {
					jsonHead
					Version string `json:"version"`
					Commit  string `json:"commit,omitempty"`
					Go      string `json:"go"`
					OS      string `json:"os"`
					Arch    string `json:"arch"`
					Deps    []dep  `json:"dependencies"`
				}{a.head("version"), toolVersion, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH, deps})
			}
			_, err := fmt.Fprintf(a.out, "apiml %s (%s %s/%s)\n", toolVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
	cmd.Flags().BoolVar(&licenses, "licenses", false, "print the licences and notices of everything that is linked into the program")
	return cmd
}

// head begins a --json output: name of its schema, version, seconds so far.
func (a *app) head(name string) jsonHead {
	return jsonHead{Schema: "apiml/" + name + "/1", Tool: toolVersion, Seconds: time.Since(a.start).Seconds()}
}
