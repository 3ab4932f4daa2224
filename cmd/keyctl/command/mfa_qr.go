package command

import (
	"image/color"
	"strings"

	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/qr"
)

// margin is what stays light around a QR code, in modules (ISO/IEC 18004, 6.3.8).
const margin = 4

// blocks are two modules, one above the other, by which of them are drawn.
var blocks = map[[2]bool]string{{false, false}: " ", {true, false}: "▀", {false, true}: "▄", {true, true}: "█"}

// drawQR draws text as a QR code for a terminal. With colours it is dark on
// light, as scanners want it; without, it is so on a dark terminal.
func drawQR(text string, colours bool) (string, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return "", err
	}
	begin, end := "", "\n"
	if colours {
		begin, end = "\x1b[30;107m", "\x1b[0m\n"
	}
	size := code.Bounds().Dx()
	var b strings.Builder
	for y := -margin; y < size+margin; y += 2 {
		b.WriteString(begin)
		for x := -margin; x < size+margin; x++ {
			b.WriteString(blocks[[2]bool{dark(code, x, y) == colours, dark(code, x, y+1) == colours}])
		}
		b.WriteString(end)
	}
	return b.String(), nil
}

// dark reports whether a module is dark; all around the code is light.
func dark(code barcode.Barcode, x, y int) bool {
	size := code.Bounds().Dx()
	return x >= 0 && y >= 0 && x < size && y < size && code.At(x, y) == color.Black
}
