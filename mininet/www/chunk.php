<?php
// A chunked answer: n lines (default 20), one every ms milliseconds (default 10), each in a chunk of its own.
while (ob_get_level() > 0) {
    ob_end_flush();
}
$lines = (int) ($_GET['n'] ?? 20);
$pauseUs = (int) ($_GET['ms'] ?? 10) * 1000;
for ($line = 1; $line <= $lines; $line++) {
    echo $_SERVER['DWSR_SERVER'], " line $line of $lines\n";
    flush();
    usleep($pauseUs);
}
