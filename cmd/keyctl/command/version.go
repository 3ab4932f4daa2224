package command

import (
	"context"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersion(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Which keyctl this is",
		Example: "  keyctl version",
		Args:    cobra.NoArgs,
		RunE:    c.run(func(context.Context, []string) error { return c.version() }),
	}
}

// versionDoc is the JSON of version.
type versionDoc struct{ Version, Go string }

func (c *cli) version() error {
	doc := versionDoc{Version: "unknown", Go: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		doc.Version = info.Main.Version
	}
	return c.done(doc, "keyctl %s (%s)", doc.Version, doc.Go)
}
