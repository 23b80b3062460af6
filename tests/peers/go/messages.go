package main

import (
	"bytes"
	"fmt"
	"log"
)

var sizes = []int{0, 1, 125, 126, 1 << 10, 64 << 10, 1 << 20}

// A text and a binary message.
func messages(size, i int) [2][]byte {
	const line = "message %d says for the %d. time that all work and no play makes Jack a dull boy\n"
	said := []byte(fmt.Sprintf(line, size, i))
	text := bytes.Repeat(said, size/len(said)+1)[:size]
	octets := make([]byte, size)
	for at := range octets {
		octets[at] = byte((at%251*7 + i) % 251)
	}
	return [2][]byte{text, octets}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
