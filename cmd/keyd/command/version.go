package command

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// Version is set by the Makefile.
var Version = "devel"

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which keyd this is",
		Args:  noArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "keyd %s %s/%s %s\n", Version, runtime.GOOS, runtime.GOARCH, runtime.Version())
		},
	}
}
