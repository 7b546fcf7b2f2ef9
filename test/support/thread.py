# An agent whose leader ends by exit(2) while another thread of it works on: it adds a line to the file that is named, over
# and over. With a second word its leader lives on until that file is there.
import ctypes, os, platform, sys, threading, time


def work():
    while True:
        with open(sys.argv[1], "a") as file:
            file.write("work\n")
        time.sleep(0.02)


threading.Thread(target=work).start()
while len(sys.argv) > 2 and not os.path.exists(sys.argv[2]):
    time.sleep(0.02)
EXIT = {"x86_64": 60, "aarch64": 93}[platform.machine()]
ctypes.CDLL(None).syscall(EXIT, 0)
