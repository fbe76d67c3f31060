<?php
// Sends every set[] of the query as a Set-Cookie header of its own, and as body text.
$lines = (array) ($_GET['set'] ?? []);
foreach ($lines as $line) {
    header('Set-Cookie: ' . $line, false);
}
header('Content-Type: text/plain');
foreach ($lines as $line) {
    echo 'Set-Cookie: ', $line, "\r\n";
}
