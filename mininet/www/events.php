<?php
// Server-sent events: n of them (default 10), one every ms milliseconds (default 100).
while (ob_get_level() > 0) {
    ob_end_flush();
}
header('Content-Type: text/event-stream');
header('Cache-Control: no-store');
$events = (int) ($_GET['n'] ?? 10);
$pauseUs = (int) ($_GET['ms'] ?? 100) * 1000;
for ($event = 1; $event <= $events && !connection_aborted(); $event++) {
    echo 'id: ', $event, "\ndata: ", $_SERVER['DWSR_SERVER'], "\n\n";
    flush();
    usleep($pauseUs);
}
